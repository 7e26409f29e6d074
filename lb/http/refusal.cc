#include "lb/http/refusal.h"

#include "io/base/check.h"

namespace ballast::http {

absl::string_view RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "none";
    case Refusal::kBareLineFeed:
      return "bare_line_feed";
    case Refusal::kBareCarriageReturn:
      return "bare_carriage_return";
    case Refusal::kControlCharacter:
      return "control_character";
    case Refusal::kObsoleteFold:
      return "obsolete_fold";
    case Refusal::kFieldNameInvalid:
      return "field_name_invalid";
    case Refusal::kMethodInvalid:
      return "method_invalid";
    case Refusal::kTargetInvalid:
      return "target_invalid";
    case Refusal::kVersionUnsupported:
      return "version_unsupported";
    case Refusal::kStatusInvalid:
      return "status_invalid";
    case Refusal::kHeadTooLarge:
      return "head_too_large";
    case Refusal::kTargetTooLong:
      return "target_too_long";
    case Refusal::kFieldTooLong:
      return "field_too_long";
    case Refusal::kTooManyFields:
      return "too_many_fields";
    case Refusal::kChunkHeadTooLong:
      return "chunk_head_too_long";
    case Refusal::kHostMissing:
      return "host_missing";
    case Refusal::kHostRepeated:
      return "host_repeated";
    case Refusal::kHostInvalid:
      return "host_invalid";
    case Refusal::kHostMismatch:
      return "host_mismatch";
    case Refusal::kContentLengthInvalid:
      return "content_length_invalid";
    case Refusal::kContentLengthRepeated:
      return "content_length_repeated";
    case Refusal::kLengthAndTransferEncoding:
      return "length_and_transfer_encoding";
    case Refusal::kTransferEncodingRepeated:
      return "transfer_encoding_repeated";
    case Refusal::kTransferEncodingUnsupported:
      return "transfer_encoding_unsupported";
    case Refusal::kTransferEncodingInHttp10:
      return "transfer_encoding_in_http10";
    case Refusal::kChunkInvalid:
      return "chunk_invalid";
    case Refusal::kChunkExtensionInvalid:
      return "chunk_extension_invalid";
    case Refusal::kTrailerInvalid:
      return "trailer_invalid";
    case Refusal::kTruncated:
      return "truncated";
    case Refusal::kBodyNotAllowed:
      return "body_not_allowed";
    case Refusal::kConnectionInvalid:
      return "connection_invalid";
    case Refusal::kConnectionNamesFraming:
      return "connection_names_framing";
    case Refusal::kExpectationUnknown:
      return "expectation_unknown";
    case Refusal::kCount:
      break;
  }
  BALLAST_CHECK(false);
}

uint16_t RefusalStatus(Refusal refusal) {
  switch (refusal) {
    case Refusal::kTargetTooLong:
      return 414;  // RFC 9110 §15.5.15
    case Refusal::kExpectationUnknown:
      return 417;  // §15.5.18
    case Refusal::kHeadTooLarge:
    case Refusal::kFieldTooLong:
    case Refusal::kTooManyFields:
      return 431;  // RFC 6585 §5
    case Refusal::kTransferEncodingUnsupported:
      return 501;  // RFC 9112 §6.1
    case Refusal::kVersionUnsupported:
      return 505;  // RFC 9110 §15.6.6
    default:
      return 400;
  }
}

}  // namespace ballast::http
