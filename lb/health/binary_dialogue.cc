#include "lb/health/binary_dialogue.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ballast::health {

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
