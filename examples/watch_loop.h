// The loop of a small program: descriptors, signals and a call each second.
//
//   WatchLoop loop;
//   loop.OnReadable(socket.fd(), [&] { ... });
//   loop.OnSignal(SIGTERM, [&] { loop.Stop(); });
//   loop.EachSecond([&] { ... });
//   return loop.Run();
//
// Make it before any other thread: it blocks the signals, and threads inherit
// that. Calls come one at a time, from Run().
//
// Threads  one.
#ifndef EXAMPLES_WATCH_LOOP_H_
#define EXAMPLES_WATCH_LOOP_H_

#include <functional>
#include <initializer_list>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "io/unique_fd.h"

namespace ballast {

class WatchLoop {
 public:
  // Blocks these.
  explicit WatchLoop(std::initializer_list<int> signals);

  void OnSignal(int number, std::function<void()> call);
  void OnReadable(int fd, std::function<void()> call);
  void EachSecond(std::function<void()> call) { second_ = std::move(call); }
  // Whole lines of standard input, at most kLineMax bytes each; what is longer
  // is cut. Its end is not waited for, nor does it end the loop.
  static constexpr size_t kLineMax = 1024;
  void OnLine(std::function<void(absl::string_view)> call);

  absl::Status Run();
  void Stop() { running_ = false; }

 private:
  void ReadLines();

  std::map<int, std::function<void()>> signals_;
  std::map<int, std::function<void()>> fds_;
  std::function<void()> second_;
  std::function<void(absl::string_view)> line_;
  std::string rest_;  // Of standard input.
  UniqueFd loop_;
  UniqueFd signal_fd_;
  UniqueFd timer_;
  bool running_ = true;
};

}  // namespace ballast

#endif  // EXAMPLES_WATCH_LOOP_H_
