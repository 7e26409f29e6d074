#include "lb/health/dialogue.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace ballast::health {

std::string Shown(absl::string_view text) {
  constexpr size_t kShownMax = 60;
  const absl::string_view line = text.substr(0, text.find_first_of("\r\n"));
  return absl::StrCat("\"", absl::CHexEscape(line.substr(0, kShownMax)),
                      line.size() > kShownMax ? "...\"" : "\"");
}

}  // namespace ballast::health
