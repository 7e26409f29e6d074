#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <queue>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "examples/session_block.h"
#include "examples/session_load.h"
#include "examples/session_stream.h"
#include "io/base/check.h"
#include "io/base/instant.h"
#include "io/clock.h"
#include "io/socket_address.h"
#include "io/unique_fd.h"

namespace ballast::testbed {
namespace {

// Sessions that are due together wake the thread together.
constexpr absl::Duration kTick = absl::Milliseconds(2);

struct Session {
  enum class State { kNew, kConnecting, kLive, kEnding, kEnded, kLost };

  Session(const SessionGroup* group, uint64_t key)
      : group(group), stream(key) {}

  const SessionGroup* group;
  SessionStream stream;
  State state = State::kNew;
  UniqueFd fd;
  std::string name;
  Instant due;         // Of the next step: connect, give up, or send.
  SessionBlock block;  // The last one sent,
  size_t unsent = 0;   // of which the kernel has not taken so much.
  Instant answered;    // The last answer; 0: none.

  bool over() const { return state == State::kEnded || state == State::kLost; }
};

class EpollSessionClient : public SessionClient {
 public:
  EpollSessionClient(Options options, UniqueFd epoll, UniqueFd wake)
      : options_(std::move(options)),
        epoll_(std::move(epoll)),
        wake_(std::move(wake)) {
    const Instant now = MonotonicNow();
    for (const SessionGroup& group : options_.groups) {
      for (int i = 0; i < group.count; ++i) {
        Session session(&group, SplitMix64(options_.seed + sessions_.size()));
        session.name = absl::StrCat(group.name, " #", i + 1);
        session.due = now + options_.connect_pace * sessions_.size();
        due_.push({session.due, sessions_.size()});
        sessions_.push_back(std::move(session));
      }
    }
    report_.sessions = static_cast<int>(sessions_.size());
    OpenWindow("begin", now);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = sessions_.size();
    BALLAST_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) ==
                  0);
    thread_ = std::thread([this] { Run(); });
  }
  ~EpollSessionClient() override {
    stop_ = true;
    Wake();
    thread_.join();
  }

  absl::Status AwaitEstablished(absl::Duration patience) override;
  void BeginWindow(std::string name) override {
    const std::lock_guard lock(mutex_);
    const Instant now = MonotonicNow();
    CloseWindow(now);
    OpenWindow(std::move(name), now);
  }
  SessionStatus Now() const override;
  SessionReport Finish(absl::Duration patience) override;

 private:
  void Wake() { eventfd_write(wake_.get(), 1); }

  // The thread's.
  void Run();
  int ServeDue(Instant now);
  void Connect(Session& session, size_t index, Instant now);
  void Serve(Session& session, size_t index, uint32_t events, Instant now);
  void SendBlock(Session& session, Instant now);
  void SendRest(Session& session, Instant now);
  void Receive(Session& session, Instant now);
  void Verify(Session& session, std::span<const uint8_t> bytes, Instant now);
  void EndIfQuiet(Session& session, Instant now);
  void Lose(Session& session, SessionLoss loss, std::string detail,
            Instant now);
  void LoseForErrno(Session& session, int error, Instant now);
  void Over();

  void OpenWindow(std::string name, Instant now);
  void CloseWindow(Instant now);
  absl::Duration OldestUnanswered(Instant now, const Session** whose) const;
  int AnsweredInWindow() const;

  const Options options_;
  UniqueFd epoll_, wake_;
  std::atomic<bool> stop_{false};

  // Guards all below. The thread gives it up only to wait for events.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Session> sessions_;
  using Due = std::pair<Instant, size_t>;
  std::priority_queue<Due, std::vector<Due>, std::greater<Due>> due_;
  size_t established_ = 0, over_ = 0;
  bool finishing_ = false;
  Instant give_up_ = Instant::Never();
  Instant window_begin_;
  SessionReport report_;  // The last of its windows is open.
  std::thread thread_;
};

// ---- The thread -------------------------------------------------------------

void EpollSessionClient::Run() {
  std::array<epoll_event, 128> events;
  while (!stop_) {
    int wait_ms;
    {
      const std::lock_guard lock(mutex_);
      wait_ms = ServeDue(MonotonicNow());
    }
    const int n =
        epoll_wait(epoll_.get(), events.data(), events.size(), wait_ms);
    const std::lock_guard lock(mutex_);
    const Instant now = MonotonicNow();
    for (int i = 0; i < n; ++i) {
      const size_t index = events[i].data.u64;
      if (index == sessions_.size()) {
        eventfd_t ignored;
        eventfd_read(wake_.get(), &ignored);
      } else {
        Serve(sessions_[index], index, events[i].events, now);
      }
    }
  }
}

// How long to wait for events then.
int EpollSessionClient::ServeDue(Instant now) {
  if (now >= give_up_) {
    for (Session& session : sessions_) {
      if (session.over()) continue;
      Lose(session, SessionLoss::kUnanswered,
           absl::StrCat(session.stream.unanswered(), " blocks"), now);
    }
    give_up_ = Instant::Never();
  }
  while (!due_.empty() && due_.top().first <= now) {
    const auto [due, index] = due_.top();
    due_.pop();
    Session& session = sessions_[index];
    if (session.over() || due != session.due) continue;  // Outdated.
    switch (session.state) {
      case Session::State::kNew:
        Connect(session, index, now);
        break;
      case Session::State::kConnecting:
        Lose(session, SessionLoss::kNotConnected, "no answer", now);
        break;
      case Session::State::kLive:
        if (!finishing_) SendBlock(session, now);
        break;
      default:
        break;
    }
    if (session.over() || session.due <= now) continue;
    due_.push({session.due, index});
  }
  Instant next = give_up_;
  if (!due_.empty()) next = std::min(next, due_.top().first);
  if (next == Instant::Never()) return -1;
  const int64_t ms = absl::ToInt64Milliseconds(std::max(next - now, kTick) +
                                               absl::Nanoseconds(999'999));
  return static_cast<int>(std::min<int64_t>(ms, 60'000));
}

void EpollSessionClient::Connect(Session& session, size_t index, Instant now) {
  if (finishing_) {
    return Lose(session, SessionLoss::kNotConnected, "not begun", now);
  }
  const SocketAddress to(session.group->server);
  session.fd = UniqueFd(
      socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!session.fd.valid()) return LoseForErrno(session, errno, now);
  const int fd = session.fd.get();
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (!session.group->source.is_unspecified()) {
    setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    const SocketAddress from(Endpoint{.address = session.group->source});
    if (bind(fd, from.get(), from.length()) != 0) {
      return LoseForErrno(session, errno, now);
    }
  }
  if (connect(fd, to.get(), to.length()) != 0 && errno != EINPROGRESS) {
    return LoseForErrno(session, errno, now);
  }
  absl::StrAppend(&session.name, ", ",
                  SocketAddress::Local(fd).endpoint().ToString(), " to ",
                  session.group->server.ToString());
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.u64 = index;
  BALLAST_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  session.state = Session::State::kConnecting;
  session.due = now + options_.connect_timeout;
}

void EpollSessionClient::Serve(Session& session, size_t index, uint32_t events,
                               Instant now) {
  if (session.over()) return;
  if (session.state == Session::State::kConnecting) {
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(session.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return LoseForErrno(session, error, now);
    if ((events & EPOLLOUT) == 0) return;
    session.state = Session::State::kLive;
    session.due = now;
    SendBlock(session, now);
    if (session.over()) return;
    due_.push({session.due, index});
  }
  if ((events & EPOLLOUT) != 0 && session.unsent > 0) SendRest(session, now);
  if (!session.over()) Receive(session, now);
}

void EpollSessionClient::SendBlock(Session& session, Instant now) {
  session.due += session.group->interval;
  // A client that was held up does not make up for it.
  if (session.due <= now) session.due = now + session.group->interval;
  if (session.unsent > 0 ||
      session.stream.unanswered() >= options_.unanswered_max) {
    ++report_.blocks_held;
    return;
  }
  session.block = session.stream.Next(now);
  session.unsent = session.block.size();
  ++report_.blocks_sent;
  SendRest(session, now);
}

void EpollSessionClient::SendRest(Session& session, Instant now) {
  const ssize_t n = send(session.fd.get(), session.block.end() - session.unsent,
                         session.unsent, MSG_NOSIGNAL);
  if (n >= 0) {
    session.unsent -= static_cast<size_t>(n);
  } else if (errno != EAGAIN && errno != EINTR) {
    LoseForErrno(session, errno, now);
  }
}

void EpollSessionClient::Receive(Session& session, Instant now) {
  std::array<uint8_t, 4096> bytes;
  while (!session.over()) {
    const ssize_t n = recv(session.fd.get(), bytes.data(), bytes.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return LoseForErrno(session, errno, now);
    if (n == 0) {
      if (session.state != Session::State::kEnding) {
        return Lose(session, SessionLoss::kClosed, "", now);
      }
      session.state = Session::State::kEnded;
      ++report_.completed;
      return Over();
    }
    Verify(session, std::span(bytes).first(static_cast<size_t>(n)), now);
    EndIfQuiet(session, now);
  }
}

void EpollSessionClient::Verify(Session& session,
                                std::span<const uint8_t> bytes, Instant now) {
  SessionWindow& window = report_.windows.back();
  const uint64_t before = session.stream.verified();
  const bool good = session.stream.Take(bytes, now, [&](absl::Duration gap) {
    if (gap > window.longest_gap) {
      window.longest_gap = gap;
      window.longest_session = session.name;
    }
    ++window.blocks;
    if (session.answered == Instant()) {
      ++established_;
      changed_.notify_all();
    }
    session.answered = now;
  });
  report_.bytes_verified += session.stream.verified() - before;
  if (good) return;
  Lose(
      session, SessionLoss::kWrongBytes,
      absl::StrCat("in the block from byte ", session.stream.verified(), " on"),
      now);
}

void EpollSessionClient::EndIfQuiet(Session& session, Instant now) {
  if (!finishing_ || session.state != Session::State::kLive ||
      session.stream.unanswered() > 0) {
    return;
  }
  if (shutdown(session.fd.get(), SHUT_WR) != 0) {
    return LoseForErrno(session, errno, now);
  }
  session.state = Session::State::kEnding;
}

void EpollSessionClient::Lose(Session& session, SessionLoss loss,
                              std::string detail, Instant now) {
  SessionWindow& window = report_.windows.back();
  ++window.lost;
  ++report_.lost;
  ++report_.lost_by[static_cast<size_t>(loss)];
  if (report_.losses.size() < SessionReport::kLossesMax) {
    report_.losses.push_back({.session = session.name,
                              .loss = loss,
                              .window = window.name,
                              .at = now - window_begin_,
                              .detail = std::move(detail)});
  }
  session.state = Session::State::kLost;
  Over();
  session.fd.Reset();
}

void EpollSessionClient::LoseForErrno(Session& session, int error,
                                      Instant now) {
  const bool connected = session.state == Session::State::kLive ||
                         session.state == Session::State::kEnding;
  SessionLoss loss = SessionLoss::kTimedOut;
  if (!connected) {
    loss = SessionLoss::kNotConnected;
  } else if (error == ECONNRESET || error == EPIPE) {
    loss = SessionLoss::kReset;
  }
  Lose(session, loss, std::strerror(error), now);
}

void EpollSessionClient::Over() {
  ++over_;
  changed_.notify_all();
}

// ---- Windows ----------------------------------------------------------------

void EpollSessionClient::OpenWindow(std::string name, Instant now) {
  window_begin_ = now;
  report_.windows.push_back({.name = std::move(name)});
}

void EpollSessionClient::CloseWindow(Instant now) {
  SessionWindow& window = report_.windows.back();
  window.length = now - window_begin_;
  window.answered = AnsweredInWindow();
  const Session* whose = nullptr;
  const absl::Duration oldest = OldestUnanswered(now, &whose);
  if (oldest > window.longest_gap) {
    window.longest_gap = oldest;
    window.longest_session = whose->name;
  }
}

absl::Duration EpollSessionClient::OldestUnanswered(
    Instant now, const Session** whose) const {
  absl::Duration oldest;
  for (const Session& session : sessions_) {
    if (session.over()) continue;
    const absl::Duration age = session.stream.waiting(now);
    if (age <= oldest) continue;
    oldest = age;
    *whose = &session;
  }
  return oldest;
}

int EpollSessionClient::AnsweredInWindow() const {
  return static_cast<int>(std::count_if(
      sessions_.begin(), sessions_.end(), [this](const Session& session) {
        return session.answered != Instant() &&
               session.answered >= window_begin_;
      }));
}

// ---- The caller's -----------------------------------------------------------

absl::Status EpollSessionClient::AwaitEstablished(absl::Duration patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, absl::ToChronoMilliseconds(patience), [this] {
    return report_.lost > 0 || established_ == sessions_.size();
  });
  if (report_.lost > 0) {
    const LostSession& first = report_.losses.front();
    return absl::FailedPreconditionError(
        absl::StrCat(report_.lost, " sessions lost; ", first.session, ": ",
                     SessionLossName(first.loss), " ", first.detail));
  }
  if (established_ == sessions_.size()) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat(
      established_, " of ", sessions_.size(), " sessions have an answer"));
}

SessionStatus EpollSessionClient::Now() const {
  const std::lock_guard lock(mutex_);
  const Session* whose = nullptr;
  SessionStatus status;
  status.sessions = report_.sessions;
  status.lost = report_.lost;
  for (const Session& session : sessions_) {
    switch (session.state) {
      case Session::State::kLive:
      case Session::State::kEnding:
      case Session::State::kEnded:
        ++status.alive;
        if (session.answered != Instant() &&
            session.answered >= window_begin_) {
          ++status.answered;
        }
        break;
      default:
        break;
    }
  }
  status.bytes_verified = report_.bytes_verified;
  status.gap_now = OldestUnanswered(MonotonicNow(), &whose);
  status.longest_gap =
      std::max(report_.windows.back().longest_gap, status.gap_now);
  return status;
}

SessionReport EpollSessionClient::Finish(absl::Duration patience) {
  std::unique_lock lock(mutex_);
  const Instant now = MonotonicNow();
  finishing_ = true;
  give_up_ = now + patience;
  for (Session& session : sessions_) EndIfQuiet(session, now);
  Wake();
  changed_.wait(lock, [this] { return over_ == sessions_.size(); });
  CloseWindow(MonotonicNow());
  return report_;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SessionClient>> SessionClient::Start(
    Options options) {
  for (const SessionGroup& group : options.groups) {
    if (group.count < 1 || group.interval < absl::Milliseconds(1)) {
      return absl::InvalidArgumentError(
          absl::StrCat("session group ", group.name, ": ", group.count,
                       " sessions each ", absl::FormatDuration(group.interval),
                       ", must be 1 or more each 1 ms or more"));
    }
  }
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll.valid() || !wake.valid()) {
    return absl::ErrnoToStatus(errno, "session client");
  }
  return std::make_unique<EpollSessionClient>(
      std::move(options), std::move(epoll), std::move(wake));
}

}  // namespace ballast::testbed
