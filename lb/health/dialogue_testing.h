// For tests: a whole answer to a dialogue, at once or byte by byte.
#ifndef LB_HEALTH_DIALOGUE_TESTING_H_
#define LB_HEALTH_DIALOGUE_TESTING_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>

#include "absl/strings/string_view.h"
#include "lb/health/dialogue.h"

namespace ballast::health {

using MakeDialogue = std::function<std::unique_ptr<Dialogue>()>;

// What it comes to when the server sends `answer` in pieces of `piece` bytes
// and, if `ends`, no more.
inline Dialogue::Step Hear(const MakeDialogue& make, absl::string_view answer,
                           size_t piece, bool ends) {
  const auto dialogue = make();
  Dialogue::Step step = dialogue->OnOpen();
  while (step.state == Dialogue::State::kGoesOn && !answer.empty()) {
    step = dialogue->OnBytes(answer.substr(0, piece));
    answer.remove_prefix(std::min(piece, answer.size()));
  }
  if (step.state == Dialogue::State::kGoesOn && ends) step = dialogue->OnEnd();
  return step;
}

}  // namespace ballast::health

#endif  // LB_HEALTH_DIALOGUE_TESTING_H_
