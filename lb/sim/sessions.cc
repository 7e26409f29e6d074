#include "lb/sim/sessions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ballast::sim {
namespace {

constexpr int kServiceCount = 3;
constexpr uint16_t kRealPort = 8080;
constexpr absl::Duration kResendFirst = absl::Milliseconds(300);
constexpr absl::Duration kResendLast = absl::Seconds(2);

Address ServerAddress(int service, int server) {
  return *Address::Parse(
      absl::StrCat(service == 1 ? "2001:db8:5::" : "10.0.0.", 1 + server));
}
Address ClientAddress(int service, size_t session) {
  const size_t number = 1 + session % 100;
  return service == 1
             ? *Address::Parse(absl::StrCat("2001:db8:c::", absl::Hex(number)))
             : *Address::Parse(absl::StrCat("192.0.2.", number));
}

}  // namespace

Address Vip(int service) {
  constexpr const char* kVips[kServiceCount] = {
      "192.0.2.201", "2001:db8:c::201", "192.0.2.203"};
  return *Address::Parse(kVips[service]);
}
Address GatewayV4() { return *Address::Parse("10.0.0.254"); }
Address GatewayV6() { return *Address::Parse("2001:db8:5::fe"); }

std::shared_ptr<const config::Model> MakeModel(int servers,
                                               uint64_t generation) {
  auto model = std::make_shared<config::Model>();
  model->generation = generation;
  for (int i = 0; i < kServiceCount; ++i) {
    config::VirtualService service;
    service.address = Vip(i);
    service.port = kServicePort;
    service.idle_timeout = absl::Seconds(60);
    service.schedule = config::Schedule::kLeastConnection;
    if (i == 0) {
      service.persistence = {.enabled = true, .timeout = absl::Minutes(1)};
    }
    for (int server = 0; server < servers; ++server) {
      const bool direct = i == 2;
      service.servers.push_back(
          {.endpoint = {ServerAddress(i, server),
                        direct ? kServicePort : kRealPort},
           .forwarding =
               direct ? config::Forwarding::kRoute : config::Forwarding::kNat});
    }
    model->floating_addresses.push_back(
        {.address = service.address, .service = true});
    model->services.push_back(std::move(service));
  }
  model->floating_addresses.push_back({.address = GatewayV4()});
  model->floating_addresses.push_back({.address = GatewayV6()});
  return model;
}

Sessions::Sessions(int count, std::mt19937_64& random, Wire& wire, Instant now)
    : random_(random), wire_(wire), sessions_(static_cast<size_t>(count)) {
  earliest_ = Instant::Never();
  for (Session& session : sessions_) {
    session.next = now + absl::Milliseconds(100 + random_() % 8000);
    earliest_ = std::min(earliest_, session.next);
  }
}

void Sessions::Schedule(Session& session, Instant next) {
  const bool was_first = session.next == earliest_;
  session.next = next;
  if (next <= earliest_) {
    earliest_ = next;
  } else if (was_first) {
    const auto sooner = [](const Session& a, const Session& b) {
      return a.next < b.next;
    };
    earliest_ =
        std::min_element(sessions_.begin(), sessions_.end(), sooner)->next;
  }
}

void Sessions::Begin(Instant now, Session& session) {
  const size_t index = static_cast<size_t>(&session - sessions_.data());
  const int service = static_cast<int>(index % kServiceCount);
  if (++next_port_ < 1024) next_port_ = 1024;
  by_key_.erase(session.key());
  session.client = {ClientAddress(service, index), next_port_};
  session.service = {Vip(service), kServicePort};
  session.state = Session::State::kConnecting;
  session.number = 0;
  session.under_way = true;
  session.asked = now;
  session.pause = kResendFirst;
  session.told = Instant();
  session.excused = false;
  // One in eight is nearly idle, and lives long.
  const bool idle = random_() % 8 == 0;
  session.interval = absl::Milliseconds(idle ? 5000 + random_() % 15000
                                             : 200 + random_() % 800);
  session.end = now + absl::Seconds(idle ? 600 : 5 + random_() % 90);
  by_key_[session.key()] = index;
  Send(now, session);
}

void Sessions::Send(Instant now, Session& session) {
  Segment segment{session.client, session.service, kAck, session.number};
  if (session.state == Session::State::kConnecting) segment.flags = kSyn;
  if (session.state == Session::State::kEnding) segment.flags = kFin | kAck;
  Schedule(session, now + session.pause);
  session.pause = std::min(2 * session.pause, kResendLast);
  wire_.ToUnit(/*clients*/ 0, session.service.address, segment);
}

void Sessions::Restart(Instant now, Session& session) {
  by_key_.erase(session.key());
  session.state = Session::State::kIdle;
  session.under_way = false;
  Schedule(session, now + absl::Milliseconds(100 + random_() % 2000));
}

void Sessions::Excuse(Instant now, Session& session) {
  ++stats_.excused;
  Restart(now, session);
}

void Sessions::Lose(Instant now, Session& session, const char* how) {
  if (session.excused || session.state == Session::State::kConnecting ||
      session.state == Session::State::kEnding) {
    ++stats_.excused;
  } else if (loss_.empty()) {
    loss_ = absl::StrCat("session ", session.key().ToString(), " segment ",
                         session.number, ": ", how);
  }
  Restart(now, session);
}

void Sessions::OnClientSegment(Instant now, const Segment& segment) {
  const auto found =
      by_key_.find({segment.destination, segment.source, Protocol::kTcp});
  if (found == by_key_.end()) return;
  Session& session = sessions_[found->second];
  if ((segment.flags & kRst) != 0) {
    if (session.state != Session::State::kIdle) Lose(now, session, "reset");
    return;
  }
  if (!session.under_way || segment.number != session.number) return;
  ++stats_.answers;
  session.under_way = false;
  session.pause = kResendFirst;
  switch (session.state) {
    case Session::State::kConnecting: {
      if ((segment.flags & kSyn) == 0) return;
      ++stats_.opened;
      session.state = Session::State::kOpen;
      session.begun = now;
      // The handshake's last segment is answered by nobody.
      wire_.ToUnit(0, session.service.address,
                   {session.client, session.service, kAck, 0});
      Schedule(session, now + absl::Milliseconds(5));
      return;
    }
    case Session::State::kOpen:
      if (now >= session.end) session.state = Session::State::kEnding;
      Schedule(session, now + session.interval);
      return;
    case Session::State::kEnding:
      ++stats_.ended;
      Restart(now, session);
      return;
    case Session::State::kIdle:
      return;
  }
}

void Sessions::OnServerSegment(Instant now, const Segment& segment) {
  (void)now;
  const bool direct = segment.destination.address == Vip(2);
  const FlowKey key{segment.source, segment.destination, Protocol::kTcp};
  Segment answer{segment.destination, segment.source, kAck, segment.number};
  const auto known = at_servers_.find(key);
  if ((segment.flags & kRst) != 0) {
    at_servers_.erase(key);
    return;
  }
  if ((segment.flags & kSyn) != 0) {
    answer.flags = kSyn | kAck;
    at_servers_[key] = 0;
  } else if (known == at_servers_.end()) {
    answer.flags = kRst;
  } else if ((segment.flags & kFin) != 0) {
    answer.flags = kFin | kAck;
  } else if (segment.number == 0) {
    return;  // The handshake's last.
  } else {
    known->second = segment.number;
  }
  if (direct) {
    wire_.ToClient(answer);
  } else {
    wire_.ToUnit(/*servers*/ 1,
                 answer.source.address.is_v4() ? GatewayV4() : GatewayV6(),
                 answer);
  }
}

void Sessions::Tick(Instant now) {
  for (Session& session : sessions_) {
    if (now < session.next) continue;
    if (session.state == Session::State::kIdle) {
      Begin(now, session);
      continue;
    }
    if (!session.under_way) {
      ++session.number;
      session.under_way = true;
      session.asked = now;
      session.pause = kResendFirst;
    }
    Send(now, session);
  }
}

absl::Duration Sessions::longest_wait(Instant now) const {
  absl::Duration longest;
  for (const Session& session : sessions_) {
    if (session.open() && session.under_way) {
      longest = std::max(longest, now - session.asked);
    }
  }
  return longest;
}

}  // namespace ballast::sim
