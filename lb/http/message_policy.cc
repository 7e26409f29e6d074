#include "lb/http/message_policy.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "lb/http/authority.h"

namespace ballast::http {
namespace {

// Each option costs a comparison with every field when a head is written. Real
// senders use three at most.
constexpr int kConnectionOptionsMax = 16;

TextSpan SpanOf(const MessageHead& head, absl::string_view text) {
  if (text.empty()) return {};
  return {static_cast<uint32_t>(text.data() - head.fields.text().data()),
          static_cast<uint32_t>(text.size())};
}

// Which fields of interest there are, found in one pass.
struct Census {
  uint32_t hosts = 0;
  int length = -1;  // Their places; one at most of each, the parser saw to it.
  int encoding = -1;
  bool connection = false;
  bool expect = false;
  bool upgrade = false;
};

Census Count(const Fields& fields) {
  Census census;
  for (size_t i = 0; i < fields.size(); ++i) {
    switch (fields.id(i)) {
      case FieldId::kHost:
        ++census.hosts;
        break;
      case FieldId::kContentLength:
        census.length = static_cast<int>(i);
        break;
      case FieldId::kTransferEncoding:
        census.encoding = static_cast<int>(i);
        break;
      case FieldId::kConnection:
        census.connection = true;
        break;
      case FieldId::kExpect:
        census.expect = true;
        break;
      case FieldId::kUpgrade:
        census.upgrade = true;
        break;
      default:
        break;
    }
  }
  return census;
}

// §6.3, the part both kinds of message share. One length in decimal, or
// exactly "chunked"; the parser has refused both together.
Refusal ReadFraming(const Census& census, MessageHead* head) {
  if (census.encoding >= 0) {
    if (head->minor_version == 0) return Refusal::kTransferEncodingInHttp10;
    const auto value = head->fields[static_cast<size_t>(census.encoding)].value;
    if (!absl::EqualsIgnoreCase(value, "chunked")) {
      return Refusal::kTransferEncodingUnsupported;
    }
    head->framing = BodyFraming::kChunked;
  } else if (census.length >= 0) {
    const auto value = head->fields[static_cast<size_t>(census.length)].value;
    const bool digits =
        std::all_of(value.begin(), value.end(),
                    [](unsigned char c) { return absl::ascii_isdigit(c); });
    if (!digits || !absl::SimpleAtoi(value, &head->content_length)) {
      return Refusal::kContentLengthInvalid;
    }
    head->framing = BodyFraming::kLength;
  }
  return Refusal::kNone;
}

Refusal ReadConnection(const Census& census, MessageHead* head) {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  int options = 0;
  Refusal refusal = Refusal::kNone;
  if (census.connection) {
    head->fields.ForEachElement(
        FieldId::kConnection, [&](absl::string_view option) {
          if (++options > kConnectionOptionsMax) {
            refusal = Refusal::kConnectionInvalid;
          } else if (absl::EqualsIgnoreCase(option, "close")) {
            close = true;
          } else if (absl::EqualsIgnoreCase(option, "keep-alive")) {
            keep_alive = true;
          } else if (absl::EqualsIgnoreCase(option, "upgrade")) {
            upgrade = true;
          } else if (absl::EqualsIgnoreCase(option, "host") ||
                     absl::EqualsIgnoreCase(option, "content-length")) {
            // 9110 §7.6.1 forbids naming a field meant for all recipients;
            // removing these would change who is asked, or what.
            refusal = Refusal::kConnectionNamesFraming;
          }
        });
  }
  head->keep_alive = !close && (head->minor_version >= 1 || keep_alive);
  head->upgrade = upgrade && census.upgrade && head->minor_version >= 1;
  return refusal;
}

// §3.2: the four forms, each only where it belongs.
Refusal ReadTarget(RequestHead* head, absl::string_view* authority) {
  const absl::string_view target = head->target();
  if (!IsTargetText(target)) return Refusal::kTargetInvalid;
  if (head->method == Method::kConnect) {
    if (!IsAuthorityWithPort(target)) return Refusal::kTargetInvalid;
    *authority = target;
    return Refusal::kNone;
  }
  if (target.front() == '/') {
    head->path_span = head->target_span;
    return Refusal::kNone;
  }
  if (target == "*") {
    return head->method == Method::kOptions ? Refusal::kNone
                                            : Refusal::kTargetInvalid;
  }
  AbsoluteTarget absolute;
  if (!ParseAbsolute(target, &absolute)) return Refusal::kTargetInvalid;
  *authority = absolute.authority;
  head->path_span = SpanOf(*head, absolute.path);
  return Refusal::kNone;
}

Refusal ReadHost(const Census& census, absl::string_view authority,
                 RequestHead* head) {
  if (census.hosts > 1) return Refusal::kHostRepeated;
  if (census.hosts == 0) {
    if (head->minor_version >= 1) return Refusal::kHostMissing;
    head->host_span = SpanOf(*head, authority);
    return Refusal::kNone;
  }
  const absl::string_view host = *head->fields.Find(FieldId::kHost);
  if (!IsAuthority(host)) return Refusal::kHostInvalid;
  // §3.2.2 lets a proxy replace Host by the target's authority; the server
  // behind may do otherwise, so they have to agree.
  if (!authority.empty() && !absl::EqualsIgnoreCase(host, authority)) {
    return Refusal::kHostMismatch;
  }
  head->host_span = SpanOf(*head, host);
  return Refusal::kNone;
}

}  // namespace

Refusal FinishRequest(RequestHead* head) {
  const Census census = Count(head->fields);
  absl::string_view authority;
  Refusal refusal = ReadTarget(head, &authority);
  if (refusal != Refusal::kNone) return refusal;
  refusal = ReadHost(census, authority, head);
  if (refusal != Refusal::kNone) return refusal;
  refusal = ReadFraming(census, head);
  if (refusal != Refusal::kNone) return refusal;
  refusal = ReadConnection(census, head);
  if (refusal != Refusal::kNone) return refusal;
  if ((head->method == Method::kConnect || head->method == Method::kTrace) &&
      head->framing != BodyFraming::kNone) {
    return Refusal::kBodyNotAllowed;
  }
  if (census.expect && head->minor_version >= 1) {
    const bool only = head->fields.Count(FieldId::kExpect) == 1;
    if (!only || !absl::EqualsIgnoreCase(*head->fields.Find(FieldId::kExpect),
                                         "100-continue")) {
      return Refusal::kExpectationUnknown;
    }
    head->expect_continue = true;
  }
  return Refusal::kNone;
}

Refusal FinishResponse(Method request_method, ResponseHead* head) {
  const Census census = Count(head->fields);
  Refusal refusal = ReadFraming(census, head);
  if (refusal != Refusal::kNone) return refusal;
  refusal = ReadConnection(census, head);
  if (refusal != Refusal::kNone) return refusal;
  // §6.3, rules 1 and 2: no body, whatever the fields say.
  const bool tunnel = request_method == Method::kConnect &&
                      head->status >= 200 && head->status < 300;
  if (request_method == Method::kHead || head->status < 200 ||
      head->status == 204 || head->status == 304 || tunnel) {
    head->framing = BodyFraming::kNone;
  } else if (head->framing == BodyFraming::kNone) {
    head->framing = BodyFraming::kUntilClose;  // Rule 8.
    head->keep_alive = false;
  }
  return Refusal::kNone;
}

}  // namespace ballast::http
