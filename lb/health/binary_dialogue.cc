#include "lb/health/binary_dialogue.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace ballast::health {

std::optional<std::string> BytesOfHex(absl::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c == ' ') {
      if (digits.size() % 2 != 0) return std::nullopt;
      continue;
    }
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
    digits += c;
  }
  if (digits.size() % 2 != 0) return std::nullopt;
  return absl::HexStringToBytes(digits);
}

Dialogue::Step BinaryDialogue::OnBytes(absl::string_view bytes) {
  // What came before was searched; a find may begin in its last bytes.
  const size_t from = heard_.size() - std::min(heard_.size(), pattern_.size());
  absl::StrAppend(&heard_, bytes.substr(0, searched_max_ - heard_.size()));
  if (heard_.find(pattern_, from) != std::string::npos) return Up();
  if (heard_.size() < searched_max_) return {};
  return Down(absl::StrCat("the pattern is not in the first ", searched_max_,
                           " bytes of the answer"));
}

Dialogue::Step BinaryDialogue::OnEnd() {
  return Down(absl::StrCat("the pattern is not in the ", heard_.size(),
                           " bytes of the answer"));
}

}  // namespace ballast::health
