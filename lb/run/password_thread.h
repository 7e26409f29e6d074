// A thread that verifies passwords, which takes a tenth of a second each: the
// control thread must not be kept from its pair for that long. It begins with
// the first question.
//
// Bounds   kWaitingMax wait; more are refused.
// Threads  Ask() and Take() are the owner's; `wake` is called on this one.
#ifndef LB_RUN_PASSWORD_THREAD_H_
#define LB_RUN_PASSWORD_THREAD_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "lb/admin/site.h"

namespace ballast::run {

class PasswordThread {
 public:
  static constexpr size_t kWaitingMax = 16;

  struct Result {
    uint64_t id = 0;
    bool right = false;
  };

  // `wake`: there is something to Take().
  explicit PasswordThread(std::function<void()> wake);
  // Waits for the one under way.
  ~PasswordThread();

  // False: too many wait.
  bool Ask(uint64_t id, admin::PasswordCheck check);
  std::vector<Result> Take();

 private:
  struct Question {
    uint64_t id;
    admin::PasswordCheck check;
  };
  void Run();

  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable asked_;
  bool ending_ = false;
  std::deque<Question> questions_;
  std::vector<Result> results_;
  std::thread thread_;  // Last.
};

}  // namespace ballast::run

#endif  // LB_RUN_PASSWORD_THREAD_H_
