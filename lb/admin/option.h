// One option of the API as a row of a table: its name, the field of
// ballast.proto it stands for, what may be said of it and how that reads. The
// tables are unit_parameters.cc, service_fields.cc and server_fields.cc.
//
// A field is named by its path in the message: "ha.l4_sync_period". Unset
// fields read as `fallback`.
//
// Errors   a value that is not of the kind or the range: kInvalidArgument
//          naming option, value and limit; the message is untouched then. A
//          path that is not in the message is our bug.
#ifndef LB_ADMIN_OPTION_H_
#define LB_ADMIN_OPTION_H_

#include <google/protobuf/message.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ballast::admin {

enum class Kind : uint8_t {
  kNumber,    // A uint32 field; of an enum, its number.
  kFlag,      // A bool field.
  kNotFlag,   // A bool field that means the opposite.
  kText,      // A string field.
  kList,      // A repeated string field; see `between`.
  kNumbers,   // A repeated uint32 field; likewise.
  kWord,      // An enum field; see `words`.
  kPresence,  // A message field that is there or not.
  kFixed,     // Always `fixed`: nothing else can be said.
};

// What the API calls a value of an enum.
struct Word {
  absl::string_view word;
  int value;
};

struct Option {
  absl::string_view name;
  absl::string_view path;
  Kind kind = Kind::kNumber;
  // Of numbers, as the API has them; the field has `times` as much.
  uint32_t min = 0;
  uint32_t max = 0;
  uint32_t fallback = 0;  // Of flags too.
  uint32_t times = 1;
  std::span<const Word> words = {};
  absl::string_view fixed = {};
  // The elements of a list. A blank: in its place there may be several, tabs or
  // commas.
  char between = ' ';
};

constexpr Option Number(absl::string_view name, absl::string_view path,
                        uint32_t min, uint32_t max, uint32_t fallback = 0,
                        uint32_t times = 1) {
  return {name, path, Kind::kNumber, min, max, fallback, times};
}
constexpr Option Flag(absl::string_view name, absl::string_view path,
                      bool fallback = false) {
  return {name, path, Kind::kFlag, 0, 1, fallback};
}
constexpr Option NotFlag(absl::string_view name, absl::string_view path) {
  return {name, path, Kind::kNotFlag, 0, 1};
}
constexpr Option Text(absl::string_view name, absl::string_view path) {
  return {name, path, Kind::kText};
}
constexpr Option List(absl::string_view name, absl::string_view path,
                      char between = ' ') {
  return {name, path, Kind::kList, 0, 0, 0, 1, {}, {}, between};
}
constexpr Option Numbers(absl::string_view name, absl::string_view path,
                         uint32_t min, uint32_t max) {
  return {name, path, Kind::kNumbers, min, max};
}
constexpr Option Choice(absl::string_view name, absl::string_view path,
                        std::span<const Word> words) {
  return {name, path, Kind::kWord, 0, 0, 0, 1, words};
}
constexpr Option Presence(absl::string_view name, absl::string_view path) {
  return {name, path, Kind::kPresence, 0, 1};
}
constexpr Option Fixed(absl::string_view name, absl::string_view fixed) {
  return {name, {}, Kind::kFixed, 0, 0, 0, 1, {}, fixed};
}

// Y, N, yes, no, true, false, 1, 0, in any letter case.
std::optional<bool> ReadFlag(absl::string_view text);
absl::StatusOr<uint32_t> ReadNumber(absl::string_view name,
                                    absl::string_view text, uint32_t min,
                                    uint32_t max);
// "Unknown parameter value NAME": what it was, and what it must be.
absl::Status WrongValue(absl::string_view name, absl::string_view text,
                        absl::string_view must_be);

// Flags: "1" or "0".
std::string GetOption(const google::protobuf::Message& message,
                      const Option& option);
// Whether the field is other than unset: not empty, not 0.
bool IsSet(const google::protobuf::Message& message, absl::string_view path);
absl::Status SetOption(google::protobuf::Message* message, const Option& option,
                       absl::string_view text);
// Leaves it unset.
void ClearOption(google::protobuf::Message* message, const Option& option);

}  // namespace ballast::admin

#endif  // LB_ADMIN_OPTION_H_
