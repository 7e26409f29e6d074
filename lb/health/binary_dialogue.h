// The binary data check: some bytes are sent, others are looked for in what
// comes back.
//
// Source  LoadMaster behaviour §5.3: CheckUrl (to send), CheckPattern (to
//         find), MatchLen (bytes searched, 0 to 8000; 0: all that come, here
//         kKeptMax).
#ifndef LB_HEALTH_BINARY_DIALOGUE_H_
#define LB_HEALTH_BINARY_DIALOGUE_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "lb/health/dialogue.h"

namespace ballast::health {

class BinaryDialogue final : public Dialogue {
 public:
  // An empty `pattern`: any answer will do.
  BinaryDialogue(std::string request, std::string pattern, size_t match_length)
      : request_(std::move(request)),
        pattern_(std::move(pattern)),
        searched_max_(match_length == 0 ? kKeptMax : match_length) {}

  Step OnOpen() override { return Say(request_); }
  Step OnBytes(absl::string_view bytes) override;
  Step OnEnd() override;

 private:
  const std::string request_;
  const std::string pattern_;
  const size_t searched_max_;
  std::string heard_;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_BINARY_DIALOGUE_H_
