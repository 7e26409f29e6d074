#include "lb/http/writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "absl/strings/match.h"
#include "io/base/check.h"
#include "lb/http/connection_fields.h"

namespace ballast::http {
namespace {

// What a head may need beyond its own fields: version, status, CRLFs, length,
// Connection.
constexpr size_t kExtra = 192;

// Appends to a string whose room was taken beforehand.
class Pen {
 public:
  Pen(std::string* out, size_t room) : out_(out) {
    const size_t size = out->size();
    out->resize(size + room);
    p_ = out->data() + size;
  }
  ~Pen() {
    BALLAST_CHECK(p_ <= out_->data() + out_->size());
    out_->resize(static_cast<size_t>(p_ - out_->data()));
  }

  void Text(absl::string_view text) {
    std::memcpy(p_, text.data(), text.size());
    p_ += text.size();
  }
  void Number(uint64_t n, int base = 10) {
    p_ = std::to_chars(p_, p_ + 20, n, base).ptr;
  }
  void Line(absl::string_view name, absl::string_view value) {
    Text(name);
    Text(": ");
    Text(value);
    Text("\r\n");
  }

 private:
  std::string* out_;
  char* p_;
};

struct Kept {
  bool length = false;
  bool expect = false;
  bool upgrade = false;
  bool trailer = false;
};

void WriteFields(const Fields& fields, const Kept& kept, Pen* pen) {
  const bool names_fields = ConnectionNamesFields(fields);
  for (size_t i = 0; i < fields.size(); ++i) {
    switch (fields.id(i)) {
      case FieldId::kConnection:
      case FieldId::kHttp2Settings:
      case FieldId::kKeepAlive:
      case FieldId::kProxyConnection:
      case FieldId::kTe:
      case FieldId::kTransferEncoding:
        continue;
      case FieldId::kContentLength:
        if (!kept.length) continue;
        break;
      case FieldId::kExpect:
        if (!kept.expect) continue;
        break;
      case FieldId::kUpgrade:
        if (!kept.upgrade) continue;
        break;
      case FieldId::kTrailer:
        if (!kept.trailer) continue;
        break;
      default:
        break;
    }
    const Field field = fields[i];
    if (names_fields && !(kept.upgrade && field.id == FieldId::kUpgrade) &&
        NamedByConnection(fields, field.name)) {
      continue;
    }
    pen->Line(field.name, field.value);
  }
}

// Names and values, and four bytes of separators each.
size_t RoomFor(const Fields& fields) {
  return fields.text().size() + 4 * fields.size() + kExtra;
}

void WriteFraming(BodyFraming framing, uint64_t content_length,
                  ConnectionOption connection, Pen* pen) {
  switch (framing) {
    case BodyFraming::kNone:
    case BodyFraming::kUntilClose:
      break;
    case BodyFraming::kLength:
      pen->Text("Content-Length: ");
      pen->Number(content_length);
      pen->Text("\r\n");
      break;
    case BodyFraming::kChunked:
      pen->Text("Transfer-Encoding: chunked\r\n");
      break;
  }
  switch (connection) {
    case ConnectionOption::kNone:
      break;
    case ConnectionOption::kClose:
      pen->Text("Connection: close\r\n");
      break;
    case ConnectionOption::kKeepAlive:
      pen->Text("Connection: keep-alive\r\n");
      break;
    case ConnectionOption::kUpgrade:
      pen->Text("Connection: upgrade\r\n");
      break;
  }
  pen->Text("\r\n");
}

// RFC 9110 §6.5.1, and the fields proxies speak of clients in.
bool MayBeTrailer(const Field& field) {
  if (field.id != FieldId::kOther) return false;
  static constexpr absl::string_view kNever[] = {
      "Accept-Encoding",
      "Age",
      "Authorization",
      "Cache-Control",
      "Content-Encoding",
      "Content-Range",
      "Content-Type",
      "Expires",
      "If-Match",
      "If-Modified-Since",
      "If-None-Match",
      "If-Range",
      "If-Unmodified-Since",
      "Location",
      "Max-Forwards",
      "Pragma",
      "Proxy-Authenticate",
      "Proxy-Authorization",
      "Range",
      "Retry-After",
      "Vary",
      "WWW-Authenticate",
      "X-Forwarded-For",
      "X-Forwarded-Host",
      "X-Forwarded-Proto",
  };
  return std::none_of(std::begin(kNever), std::end(kNever),
                      [&](absl::string_view name) {
                        return absl::EqualsIgnoreCase(name, field.name);
                      });
}

}  // namespace

void WriteRequestHead(const RequestHead& head, const RequestWriting& writing,
                      std::string* out) {
  BALLAST_CHECK(writing.framing != BodyFraming::kUntilClose);
  // CONNECT may have its target written twice, as Host too.
  Pen pen(out, RoomFor(head.fields) + head.target().size() +
                   writing.host_if_missing.size());
  pen.Text(head.method_text());
  pen.Text(" ");
  const absl::string_view path = head.path();
  if (head.method == Method::kConnect) {
    pen.Text(head.target());
  } else if (path.empty()) {
    // RFC 9112 §3.2.4: `OPTIONS http://host` asks for "*".
    pen.Text(head.method == Method::kOptions ? "*" : "/");
  } else {
    if (path.front() == '?') pen.Text("/");
    pen.Text(path);
  }
  pen.Text(" HTTP/1.1\r\n");
  if (!head.fields.Find(FieldId::kHost)) {
    pen.Line("Host",
             head.host().empty() ? writing.host_if_missing : head.host());
  }
  WriteFields(head.fields,
              {.expect = writing.expect && head.expect_continue,
               .upgrade = writing.connection == ConnectionOption::kUpgrade,
               .trailer = writing.framing == BodyFraming::kChunked},
              &pen);
  WriteFraming(writing.framing, writing.content_length, writing.connection,
               &pen);
}

void WriteResponseHead(const ResponseHead& head, const ResponseWriting& writing,
                       std::string* out) {
  Pen pen(out, RoomFor(head.fields));
  pen.Text("HTTP/1.1 ");
  pen.Number(head.status);
  pen.Text(" ");
  pen.Text(head.reason());
  pen.Text("\r\n");
  WriteFields(head.fields,
              {.length = writing.length_informs &&
                         writing.framing == BodyFraming::kNone,
               .upgrade = writing.connection == ConnectionOption::kUpgrade,
               .trailer = writing.framing == BodyFraming::kChunked},
              &pen);
  WriteFraming(writing.framing, writing.content_length, writing.connection,
               &pen);
}

void WriteChunk(absl::string_view data, std::string* out) {
  BALLAST_CHECK(!data.empty());
  Pen pen(out, data.size() + 24);
  pen.Number(data.size(), 16);
  pen.Text("\r\n");
  pen.Text(data);
  pen.Text("\r\n");
}

void WriteLastChunk(const Fields& trailers, std::string* out) {
  Pen pen(out, RoomFor(trailers));
  pen.Text("0\r\n");
  for (size_t i = 0; i < trailers.size(); ++i) {
    const Field field = trailers[i];
    if (MayBeTrailer(field)) pen.Line(field.name, field.value);
  }
  pen.Text("\r\n");
}

void WriteReply(const Reply& reply, std::string* out) {
  BALLAST_CHECK(IsFieldValue(reply.location) &&
                IsFieldValue(reply.content_type));
  size_t fields_size = 0;
  for (const auto& [name, value] : reply.fields) {
    BALLAST_CHECK(IsToken(name) && IsFieldValue(value));
    fields_size += name.size() + value.size() + 4;
  }
  Pen pen(out, kExtra + reply.location.size() + reply.content_type.size() +
                   fields_size + reply.body.size());
  pen.Text("HTTP/1.1 ");
  pen.Number(reply.status);
  pen.Text(" ");
  pen.Text(ReasonPhrase(reply.status));
  pen.Text("\r\n");
  if (!reply.location.empty()) pen.Line("Location", reply.location);
  if (reply.retry_after_s != 0) {
    pen.Text("Retry-After: ");
    pen.Number(reply.retry_after_s);
    pen.Text("\r\n");
  }
  if (!reply.body.empty() && !reply.content_type.empty()) {
    pen.Line("Content-Type", reply.content_type);
  }
  for (const auto& [name, value] : reply.fields) pen.Line(name, value);
  const bool no_body = reply.status == 204 || reply.status == 304;
  WriteFraming(
      no_body ? BodyFraming::kNone : BodyFraming::kLength, reply.body.size(),
      reply.close ? ConnectionOption::kClose : ConnectionOption::kNone, &pen);
  if (!reply.head_only && !no_body) pen.Text(reply.body);
}

absl::string_view ReasonPhrase(uint16_t status) {
  struct Phrase {
    uint16_t status;
    absl::string_view text;
  };
  // RFC 9110 §15; 429 and 431 are of RFC 6585.
  static constexpr Phrase kPhrases[] = {
      {200, "OK"},
      {204, "No Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {417, "Expectation Failed"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
  };
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) return phrase.text;
  }
  return "Status";
}

}  // namespace ballast::http
