#include "lb/run/dns_probes.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <span>

#include "io/base/check.h"
#include "io/socket_address.h"
#include "io/unique_fd.h"
#include "lb/health/dns_probe.h"
#include "lb/run/probe_error.h"
#include "lb/run/probe_socket.h"

namespace ballast::run {
namespace {

using health::ProbeResult;

// Of one turn; the rest is looked at in the next.
constexpr int kDatagramsMax = 16;

}  // namespace

// Polled as long as it exists.
struct DnsProbes::Question {
  DnsProbes* owner;
  uint16_t server;
  uint32_t probe;
  uint16_t id;
  UniqueFd fd{};
  bool ended = false;
  Operation poll = Operation::To<&Question::OnPoll>(this);

  void OnPoll(Completion completion) {
    if (completion.more) {
      if (owner != nullptr && !ended) owner->OnReady(*this);
      return;
    }
    DnsProbes* const told = owner;
    const uint16_t of = server;
    const uint32_t number = probe;
    if (told != nullptr && !ended) told->Done(*this, ProbeResult::kLocalError);
    if (told != nullptr) told->open_.erase(this);
    delete this;
    if (told != nullptr) told->on_done_(of, number, std::nullopt);
  }
};

DnsProbes::~DnsProbes() {
  for (Question* question : open_) {
    question->owner = nullptr;
    reactor_.Cancel(&question->poll);
  }
}

std::optional<ProbeResult> DnsProbes::Start(uint16_t server, uint32_t probe,
                                            const Endpoint& to) {
  BALLAST_CHECK(!questions_.contains(server));  // One probe at a time.
  UniqueFd fd = OpenProbeDatagram(to.address, source_.ForTarget(to.address));
  if (!fd.valid()) return ProbeResult::kLocalError;
  uint16_t id;
  BALLAST_CHECK(getrandom(&id, sizeof(id), 0) == sizeof(id));
  const auto message = health::EncodeDnsQuestion(id);
  const SocketAddress address(to);
  if (connect(fd.get(), address.get(), address.length()) != 0 ||
      send(fd.get(), message.data(), message.size(),
           MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    return ProbeError(errno);
  }
  auto* question =
      new Question{.owner = this, .server = server, .probe = probe, .id = id};
  question->fd = std::move(fd);
  reactor_.Poll(&question->poll, question->fd.get(), POLLIN);
  if (!question->poll.pending()) {  // The reactor is being destroyed.
    delete question;
    return ProbeResult::kLocalError;
  }
  questions_.emplace(server, question);
  open_.insert(question);
  return std::nullopt;
}

void DnsProbes::Abort(uint16_t server) {
  const auto found = questions_.find(server);
  if (found == questions_.end()) return;
  Question* const question = found->second;
  questions_.erase(found);
  question->ended = true;
  reactor_.Cancel(&question->poll);
}

void DnsProbes::OnReady(Question& question) {
  std::array<uint8_t, 512> buffer;  // RFC 1035: no longer without EDNS.
  for (int i = 0; i < kDatagramsMax; ++i) {
    const ssize_t size =
        recv(question.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) return Done(question, ProbeError(errno));
    if (health::IsDnsAnswer(question.id,
                            std::span(buffer).first(size_t(size)))) {
      return Done(question, ProbeResult::kSuccess);
    }
  }
}

void DnsProbes::Done(Question& question, std::optional<ProbeResult> result) {
  questions_.erase(question.server);
  question.ended = true;
  if (question.poll.pending()) reactor_.Cancel(&question.poll);
  on_done_(question.server, question.probe, result);
}

}  // namespace ballast::run
