// The network between the two units of a pair: adverts on two interfaces,
// changes, which use the first one's link, and the stream
// (lb/run/pair_stream.h: dialed when both have proven themselves, in order,
// broken by what cuts the link under it or by the end of a process).
//
// It holds V8 against what units take: no message twice, no advert after a
// later one, and none that was said before the unit's process began.
#ifndef LB_SIM_PAIR_NETWORK_H_
#define LB_SIM_PAIR_NETWORK_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "ha/node.h"
#include "io/base/instant.h"
#include "lb/sim/course.h"
#include "lb/sim/host.h"

namespace ballast::sim {

// `interface` of what uses the first one's link and is no advert.
inline constexpr int kChanges = -1;

class PairNetwork {
 public:
  // What befalls it.
  struct Weather {
    std::array<bool, 2> cut{};        // What this unit says is not heard.
    std::array<bool, 2> unplugged{};  // Neither hears nor is heard by anybody.
    std::array<std::array<bool, 2>, 2> sick{};  // By unit and interface.
    double loss = 0;
    double duplication = 0;
    bool reordering = false;
    bool recording = false;  // For Replay().
  };

  PairNetwork(Course& course, std::array<Host, 2>& hosts);

  Weather& weather() { return weather_; }
  const Weather& weather() const { return weather_; }
  // Whether what `from` says on `interface` may get to the other.
  bool Reaches(int from, int interface) const;
  // When the latest message that `unit` took was said.
  Instant last_heard(int unit) const {
    return last_heard_[static_cast<size_t>(unit)];
  }
  // Says again, at some time soon, what was recorded.
  void Replay();

  // A unit says something.
  void Datagram(int from, int interface, std::vector<uint8_t> bytes);
  bool Stream(int from, std::vector<uint8_t> bytes);
  // The unit's process has just ended.
  void OnEnd(int unit);
  // A stream is dialed if there is none and it is time to.
  void Dial();

 private:
  struct Message {
    int from = 0;
    int interface = 0;
    uint64_t number = 0;
    Instant said;
    std::vector<uint8_t> bytes;
    bool counted = false;  // A unit took it.
  };
  using MessagePtr = std::shared_ptr<Message>;

  absl::Duration Latency();
  void Send(const MessagePtr& message, absl::Duration delay);
  void Arrive(Unit& unit, Instant local, Message& message);
  void Break(int ended);

  Course& course_;
  std::array<Host, 2>& hosts_;
  Weather weather_;
  std::vector<MessagePtr> recorded_;

  uint64_t messages_ = 0;
  std::array<Instant, 2> last_heard_{};
  // By unit: of the last advert that counted, and for which of its processes.
  std::array<uint64_t, 2> last_advert_{};
  std::array<uint64_t, 2> last_advert_process_{};

  bool stream_ = false;
  uint64_t stream_number_ = 0;
  std::array<Instant, 2> stream_last_{};
  Instant next_dial_;
};

}  // namespace ballast::sim

#endif  // LB_SIM_PAIR_NETWORK_H_
