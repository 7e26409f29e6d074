#include "lb/run/password_thread.h"

#include <utility>

#include "lb/admin/password.h"

namespace ballast::run {

PasswordThread::PasswordThread(std::function<void()> wake)
    : wake_(std::move(wake)) {}

PasswordThread::~PasswordThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  asked_.notify_one();
  thread_.join();
}

bool PasswordThread::Ask(uint64_t id, admin::PasswordCheck check) {
  {
    const std::lock_guard lock(mutex_);
    if (questions_.size() >= kWaitingMax) return false;
    questions_.push_back({id, std::move(check)});
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  asked_.notify_one();
  return true;
}

std::vector<PasswordThread::Result> PasswordThread::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(results_, {});
}

void PasswordThread::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    asked_.wait(lock, [this] { return ending_ || !questions_.empty(); });
    if (ending_) return;
    const Question question = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    const bool right =
        admin::VerifyPassword(question.check.password, question.check.hash);
    lock.lock();
    results_.push_back({question.id, right});
    lock.unlock();
    wake_();
    lock.lock();
  }
}

}  // namespace ballast::run
