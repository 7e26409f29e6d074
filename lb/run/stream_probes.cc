#include "lb/run/stream_probes.h"

#include <cerrno>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "lb/run/leg.h"
#include "lb/run/probe_error.h"
#include "lb/run/probe_socket.h"
#include "lb/tls/session.h"

namespace ballast::run {
namespace {

using health::Dialogue;
using health::ProbeDone;
using health::ProbeResult;

std::span<const uint8_t> BytesOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

// Deletes itself when it has ended and the leg has sent what it was given.
class StreamProbes::Probe final : private Leg::Owner {
 public:
  Probe(StreamProbes& owner, uint16_t server, uint32_t number,
        std::unique_ptr<Dialogue> dialogue, UniqueFd fd,
        std::unique_ptr<tls::Session> tls)
      : owner_(owner),
        server_(server),
        number_(number),
        dialogue_(std::move(dialogue)),
        leg_(new Leg(owner.reactor_, *this, std::move(fd), std::move(tls))) {}

  uint16_t server() const { return server_; }
  uint32_t number() const { return number_; }
  Instant linger_end() const { return linger_end_; }

  void Connect(const Endpoint& to) { leg_->Connect(to); }
  // Nothing more is told.
  void End() {
    Leg* const leg = std::exchange(leg_, nullptr);
    const bool owed = leg->sending();
    leg->Close();
    if (!owed) delete this;
  }
  void Linger(Instant end) {
    dialogue_.reset();
    linger_end_ = end;
  }

 private:
  ~Probe() = default;

  void OnConnected(Leg& leg) override {
    leg.SetReading(true);
    Take(dialogue_->OnOpen());
  }
  void OnBytes(Leg&, std::span<const uint8_t> bytes) override {
    if (dialogue_ != nullptr) {
      return Take(dialogue_->OnBytes(
          {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    }
    discarded_ += bytes.size();
    if (discarded_ > kLingerBytes) owner_.LeftLingering(*this);
  }
  void OnEnd(Leg&) override {
    if (dialogue_ == nullptr) return owner_.LeftLingering(*this);
    ended_ = true;
    Take(dialogue_->OnEnd());
  }
  void OnGone(Leg& leg) override {
    if (dialogue_ == nullptr) return owner_.LeftLingering(*this);
    owner_.Done(*this, FailureOf(leg), /*lingers=*/false);
  }
  void OnSent(Leg&, size_t) override {
    if (leg_ == nullptr) {
      delete this;
      return;
    }
    sent_ = std::exchange(unsent_, "");
    if (!sent_.empty()) leg_->Send(BytesOf(sent_));
  }

  void Take(Dialogue::Step step) {
    if (!step.send.empty()) {
      if (leg_->sending()) {
        absl::StrAppend(&unsent_, step.send);
      } else {
        sent_ = std::move(step.send);
        leg_->Send(BytesOf(sent_));
      }
    }
    if (step.state == Dialogue::State::kGoesOn) return;
    ProbeDone done{number_, ProbeResult::kSuccess};
    if (step.state == Dialogue::State::kDown) {
      done = {number_, ProbeResult::kRejected, std::move(step.why)};
    }
    owner_.Done(*this, std::move(done), /*lingers=*/!ended_);
  }

  // nullopt: the kernel gave up waiting, which is left to the check's own
  // timeout; or the reactor ends.
  std::optional<ProbeDone> FailureOf(const Leg& leg) const {
    if (!leg.reached()) {
      if (leg.error() == ETIMEDOUT || leg.error() == ECANCELED) {
        return std::nullopt;
      }
      return ProbeDone{number_, ProbeError(leg.error())};
    }
    const tls::Session* session = leg.tls();
    if (session == nullptr || session->error() == tls::SessionError::kNone) {
      return ProbeDone{number_, ProbeResult::kRejected,
                       leg.error() == 0 ? "closed before it had answered"
                                        : "reset before it had answered"};
    }
    return ProbeDone{
        number_, ProbeResult::kRejected,
        absl::StrCat("TLS: ", tls::SessionErrorName(session->error()),
                     session->detail().empty() ? "" : ", ", session->detail())};
  }

  StreamProbes& owner_;
  const uint16_t server_;
  const uint32_t number_;
  std::unique_ptr<Dialogue> dialogue_;  // Null: it has decided.
  Leg* leg_;                            // Null: ended.
  std::string sent_;                    // Being sent.
  std::string unsent_;
  bool ended_ = false;  // By the server.
  size_t discarded_ = 0;
  Instant linger_end_ = Instant::Never();
};

StreamProbes::~StreamProbes() {
  for (const auto& [server, probe] : probes_) probe->End();
  for (Probe* probe : lingering_) probe->End();
}

std::optional<ProbeResult> StreamProbes::Start(uint16_t server, uint32_t probe,
                                               const Endpoint& to, Talk talk) {
  BALLAST_CHECK(!probes_.contains(server));  // One probe at a time.
  UniqueFd fd = OpenProbeStream(to.address, source_.ForTarget(to.address));
  if (!fd.valid()) return ProbeResult::kLocalError;
  std::unique_ptr<tls::Session> session;
  if (talk.tls) {
    if (tls_ == nullptr) {
      auto context = tls::ClientContext::Create({.verify = false});
      if (!context.ok()) return ProbeResult::kLocalError;
      tls_ = *std::move(context);
    }
    session = tls::Session::Client(tls_, talk.server_name);
  }
  auto* one = new Probe(*this, server, probe, std::move(talk.dialogue),
                        std::move(fd), std::move(session));
  probes_.emplace(server, one);
  one->Connect(to);
  return std::nullopt;
}

void StreamProbes::Abort(uint16_t server) {
  const auto found = probes_.find(server);
  if (found == probes_.end()) return;
  Probe* const probe = found->second;
  probes_.erase(found);
  probe->End();
}

void StreamProbes::Done(Probe& probe, std::optional<ProbeDone> done,
                        bool lingers) {
  const uint16_t server = probe.server();
  const uint32_t number = probe.number();
  probes_.erase(server);
  if (lingers) {
    probe.Linger(reactor_.Now() + kLingerTime);
    lingering_.push_back(&probe);
    if (alarm_.deadline() == Instant::Never()) alarm_.Set(probe.linger_end());
  } else {
    probe.End();
  }
  on_done_(server, number, std::move(done));
}

bool StreamProbes::MakeRoom() {
  if (lingering_.empty()) return false;
  Probe* const probe = lingering_.front();
  lingering_.pop_front();
  probe->End();
  return true;
}

void StreamProbes::LeftLingering(Probe& probe) {
  const uint16_t server = probe.server();
  const uint32_t number = probe.number();
  lingering_.remove(&probe);
  probe.End();
  on_done_(server, number, std::nullopt);
}

void StreamProbes::OnLingerAlarm() {
  while (!lingering_.empty() &&
         lingering_.front()->linger_end() <= reactor_.Now()) {
    LeftLingering(*lingering_.front());
  }
  alarm_.Set(lingering_.empty() ? Instant::Never()
                                : lingering_.front()->linger_end());
}

}  // namespace ballast::run
