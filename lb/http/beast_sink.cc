#include "lb/http/beast_sink.h"

#include "absl/strings/match.h"

namespace ballast::http {
namespace {

using BeastField = beast::http::field;
using BeastVerb = beast::http::verb;

constexpr size_t kBeastFieldCount = 1 + static_cast<size_t>(BeastField::xref);

constexpr std::array<FieldId, kBeastFieldCount> FieldTable() {
  std::array<FieldId, kBeastFieldCount> table{};
  const auto set = [&table](BeastField field, FieldId id) {
    table[static_cast<size_t>(field)] = id;
  };
  set(BeastField::connection, FieldId::kConnection);
  set(BeastField::content_length, FieldId::kContentLength);
  set(BeastField::cookie, FieldId::kCookie);
  set(BeastField::date, FieldId::kDate);
  set(BeastField::expect, FieldId::kExpect);
  set(BeastField::forwarded, FieldId::kForwarded);
  set(BeastField::host, FieldId::kHost);
  set(BeastField::http2_settings, FieldId::kHttp2Settings);
  set(BeastField::keep_alive, FieldId::kKeepAlive);
  set(BeastField::proxy_connection, FieldId::kProxyConnection);
  set(BeastField::set_cookie, FieldId::kSetCookie);
  set(BeastField::te, FieldId::kTe);
  set(BeastField::trailer, FieldId::kTrailer);
  set(BeastField::transfer_encoding, FieldId::kTransferEncoding);
  set(BeastField::upgrade, FieldId::kUpgrade);
  set(BeastField::via, FieldId::kVia);
  return table;
}
constexpr std::array<FieldId, kBeastFieldCount> kFieldTable = FieldTable();

Method MethodOf(BeastVerb verb) {
  switch (verb) {
    case BeastVerb::connect:
      return Method::kConnect;
    case BeastVerb::delete_:
      return Method::kDelete;
    case BeastVerb::get:
      return Method::kGet;
    case BeastVerb::head:
      return Method::kHead;
    case BeastVerb::options:
      return Method::kOptions;
    case BeastVerb::patch:
      return Method::kPatch;
    case BeastVerb::post:
      return Method::kPost;
    case BeastVerb::put:
      return Method::kPut;
    case BeastVerb::trace:
      return Method::kTrace;
    default:
      return Method::kOther;
  }
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

template <bool kIsRequest>
void BeastSink<kIsRequest>::on_request_impl(BeastVerb verb, BeastView method,
                                            BeastView target, int version,
                                            BeastError& error) {
  if constexpr (kIsRequest) {
    OnFirstLine(version);
    if (target.size() > limits_.target_size_max) {
      return Refuse(Refusal::kTargetTooLong, error);
    }
    head_->method = MethodOf(verb);
    head_->method_span = Span(method);
    head_->target_span = Span(target);
  }
}

template <bool kIsRequest>
void BeastSink<kIsRequest>::on_response_impl(int status, BeastView reason,
                                             int version, BeastError& error) {
  if constexpr (!kIsRequest) {
    OnFirstLine(version);
    // RFC 9110 §15: other numbers are to be taken for a server's error.
    if (status < 100 || status > 599) {
      return Refuse(Refusal::kStatusInvalid, error);
    }
    head_->status = static_cast<uint16_t>(status);
    head_->reason_span = Span(reason);
  }
}

template <bool kIsRequest>
void BeastSink<kIsRequest>::on_field_impl(BeastField field, BeastView name,
                                          BeastView value, BeastError& error) {
  // Beast has seen the CRLF and one character more. If the line is not exactly
  // name, colon, blanks, value, blanks, CRLF, it was folded.
  const char* p = name.data() + name.size() + 1;
  while (IsBlank(*p)) ++p;
  if (!value.empty() && p != value.data()) {
    return Refuse(Refusal::kObsoleteFold, error);
  }
  p += value.size();
  while (IsBlank(*p)) ++p;
  if (p[0] != '\r' || p[1] != '\n' || IsBlank(p[2])) {
    return Refuse(Refusal::kObsoleteFold, error);
  }
  const auto line_size = static_cast<size_t>(p + 2 - name.data());
  if (line_size > limits_.field_size_max || line_size > 0xffff) {
    return Refuse(Refusal::kFieldTooLong, error);
  }
  const FieldId id = kFieldTable[static_cast<size_t>(field)];
  if (in_trailers_) {
    if (trailers_->size() >= limits_.fields_max) {
      return Refuse(Refusal::kTooManyFields, error);
    }
    // Framing is settled; a second opinion at the end is none.
    if (id == FieldId::kTransferEncoding || id == FieldId::kContentLength) {
      return Refuse(Refusal::kTrailerInvalid, error);
    }
    trailers_->Add({name.data(), name.size()}, {value.data(), value.size()});
    return;
  }
  if (head_->fields.size() >= limits_.fields_max) {
    return Refuse(Refusal::kTooManyFields, error);
  }
  if (id == FieldId::kContentLength) {
    if (has_length_) return Refuse(Refusal::kContentLengthRepeated, error);
    has_length_ = true;
  } else if (id == FieldId::kTransferEncoding) {
    if (has_transfer_encoding_) {
      return Refuse(Refusal::kTransferEncodingRepeated, error);
    }
    has_transfer_encoding_ = true;
  }
  if (has_length_ && has_transfer_encoding_) {
    return Refuse(Refusal::kLengthAndTransferEncoding, error);
  }
  const TextSpan value_span = value.empty() ? TextSpan{} : Span(value);
  head_->fields.AddSpan(id, Span(name).at, Span(name).size, value_span.at,
                        value_span.size);
}

template <bool kIsRequest>
Refusal BeastSink<kIsRequest>::RefusalOf(BeastError error,
                                         absl::string_view rest) const {
  using E = beast::http::error;
  if (refusal_ != Refusal::kNone) return refusal_;
  const size_t line_feed = rest.find('\n');
  const absl::string_view line = rest.substr(0, line_feed);
  if (line_feed != absl::string_view::npos &&
      (line.empty() || line.back() != '\r')) {
    return Refusal::kBareLineFeed;
  }
  if (error == E::bad_line_ending) return Refusal::kBareCarriageReturn;
  if (error == E::bad_value) {
    // Beast's word for a control character and for a bad list of tokens.
    const size_t colon = line.find(':');
    const bool is_list =
        absl::EqualsIgnoreCase(line.substr(0, colon), "connection") ||
        absl::EqualsIgnoreCase(line.substr(0, colon), "proxy-connection");
    return is_list ? Refusal::kConnectionInvalid : Refusal::kControlCharacter;
  }
  if (in_trailers_) {
    if (error == E::bad_chunk) return Refusal::kChunkInvalid;
    if (error == E::bad_chunk_extension) return Refusal::kChunkExtensionInvalid;
    return Refusal::kTrailerInvalid;
  }
  if (error == E::bad_method) return Refusal::kMethodInvalid;
  if (error == E::bad_target) return Refusal::kTargetInvalid;
  if (error == E::bad_version) return Refusal::kVersionUnsupported;
  if (error == E::bad_status) return Refusal::kStatusInvalid;
  if (error == E::bad_reason) return Refusal::kControlCharacter;
  if (error == E::bad_content_length) {
    return has_transfer_encoding_ ? Refusal::kLengthAndTransferEncoding
                                  : Refusal::kContentLengthInvalid;
  }
  if (error == E::multiple_content_length) {
    return Refusal::kContentLengthRepeated;
  }
  if (error == E::bad_transfer_encoding) {
    return has_length_ ? Refusal::kLengthAndTransferEncoding
                       : Refusal::kTransferEncodingRepeated;
  }
  if (error == E::header_limit || error == E::bad_obs_fold) {
    return kIsRequest && !first_line_done_ ? Refusal::kTargetTooLong
                                           : Refusal::kHeadTooLarge;
  }
  return Refusal::kFieldNameInvalid;  // bad_field, and what is new to us.
}

template class BeastSink<true>;
template class BeastSink<false>;

}  // namespace ballast::http
