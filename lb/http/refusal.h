// Why an HTTP message was refused: the one list of lb/http and lb/l7, and the
// status a client is answered with. Every refused message has exactly one.
//
// Source  RFC 9112 (HTTP/1.1), RFC 9110 (semantics); section numbers beside
//         the reasons. Where an RFC lets a recipient repair, we refuse: what
//         two programs may read differently is not passed on.
#ifndef LB_HTTP_REFUSAL_H_
#define LB_HTTP_REFUSAL_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace ballast::http {

enum class Refusal : uint8_t {
  kNone = 0,

  // Lines and characters.
  kBareLineFeed,        // LF without CR (9112 §2.2).
  kBareCarriageReturn,  // CR without LF (9112 §2.2).
  kControlCharacter,    // NUL, or another control in a field or reason.
  kObsoleteFold,        // A continued field line (9112 §5.2).
  kFieldNameInvalid,    // Not a token, or blanks before the colon (9112 §5.1).

  // The first line.
  kMethodInvalid,
  kTargetInvalid,       // Form or characters (9112 §3.2).
  kVersionUnsupported,  // Not HTTP/1.0 or HTTP/1.1.
  kStatusInvalid,       // Not 100..599, or a reason that is none.

  // Sizes; see Limits.
  kHeadTooLarge,
  kTargetTooLong,
  kFieldTooLong,
  kTooManyFields,
  kChunkHeadTooLong,  // A chunk's line, or the trailers.

  // Host (9112 §3.2).
  kHostMissing,
  kHostRepeated,
  kHostInvalid,
  kHostMismatch,  // Not the authority of an absolute target.

  // Framing (9112 §6).
  kContentLengthInvalid,
  kContentLengthRepeated,  // Even if the values agree.
  kLengthAndTransferEncoding,
  kTransferEncodingRepeated,
  kTransferEncodingUnsupported,  // Anything but "chunked".
  kTransferEncodingInHttp10,
  kChunkInvalid,
  kChunkExtensionInvalid,
  kTrailerInvalid,
  kTruncated,       // The stream ended inside the message.
  kBodyNotAllowed,  // TRACE or CONNECT with a body (9110 §9.3).

  // Meaning.
  kConnectionInvalid,       // Not a list of tokens.
  kConnectionNamesFraming,  // Would remove Host or the framing.
  kExpectationUnknown,      // 9110 §10.1.1.

  kCount,
};

inline constexpr size_t kRefusalCount = static_cast<size_t>(Refusal::kCount);

// A name for operators, such as "bare_line_feed".
absl::string_view RefusalName(Refusal refusal);

// What a refused request is answered with: 400, or a more exact status. (A
// refused response makes 502 of any.)
uint16_t RefusalStatus(Refusal refusal);

}  // namespace ballast::http

#endif  // LB_HTTP_REFUSAL_H_
