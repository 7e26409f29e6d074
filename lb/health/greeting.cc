#include "lb/health/greeting.h"

#include <algorithm>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ballast::health {
namespace {

struct Protocol {
  absl::string_view openings[2];  // One is enough; the second may be empty.
  bool ends = true;  // An opening is followed by no letter or digit.
  const char* farewell;
  const char* wanted;
};

constexpr Protocol kProtocols[] = {
    {{"220", ""}, true, "QUIT\r\n", "220"},
    {{"220", ""}, true, "QUIT\r\n", "220"},
    {{"200", "201"}, true, "QUIT\r\n", "200 or 201"},
    {{"+OK", ""}, true, "QUIT\r\n", "+OK"},
    {{"* OK", "* PREAUTH"}, true, "a LOGOUT\r\n", "* OK or * PREAUTH"},
    {{"\xff", ""}, false, "", "byte 255"},
};

bool Continues(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
         (c >= 'a' && c <= 'z');
}

}  // namespace

Dialogue::Step GreetingDialogue::OnBytes(absl::string_view bytes) {
  const Protocol& protocol = kProtocols[static_cast<size_t>(greeter_)];
  // Longer than the longest opening and the byte behind it.
  constexpr size_t kDecides = 64;
  absl::StrAppend(&heard_, bytes.substr(0, kDecides - heard_.size()));
  bool possible = false;
  for (const absl::string_view opening : protocol.openings) {
    if (opening.empty()) continue;
    const size_t known = std::min(heard_.size(), opening.size());
    if (heard_.compare(0, known, opening.data(), known) != 0) continue;
    if (known < opening.size() || (protocol.ends && heard_.size() == known)) {
      possible = true;
    } else if (!protocol.ends || !Continues(heard_[known])) {
      return Up(protocol.farewell);
    }
  }
  if (possible) return {};
  return Down(absl::StrCat("greeting ", Shown(heard_), ", must begin with ",
                           protocol.wanted));
}

}  // namespace ballast::health
