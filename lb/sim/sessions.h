// The clients and real servers of the simulation: TCP sessions, one segment on
// its way at a time, sent again until it is answered. A server that gets a
// segment of a connection it does not have answers with RST, as hosts do; a
// client that gets one has lost its session.
//
// A session lives for a while, ends in good order, and makes room for the next.
#ifndef LB_SIM_SESSIONS_H_
#define LB_SIM_SESSIONS_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "io/base/instant.h"
#include "lb/config/model.h"
#include "lb/sim/segment.h"

namespace ballast::sim {

inline constexpr int kServerCount = 3;
inline constexpr uint16_t kServicePort = 80;

// Services: NAT over IPv4, NAT over IPv6, direct return over IPv4. `servers`:
// how many of each one's real servers are configured.
std::shared_ptr<const config::Model> MakeModel(int servers,
                                               uint64_t generation);
Address Vip(int service);
// What real servers send answers through.
Address GatewayV4();
Address GatewayV6();

class Sessions {
 public:
  class Wire {
   public:
    virtual ~Wire() = default;
    // By a client to a service, and by a server through its gateway or, for
    // direct return, straight to the client.
    virtual void ToUnit(uint16_t port, const Address& through,
                        const Segment& segment) = 0;
    virtual void ToClient(const Segment& segment) = 0;
  };

  Sessions(int count, std::mt19937_64& random, Wire& wire, Instant now);

  // What arrives at a client or at a server (by its address).
  void OnClientSegment(Instant now, const Segment& segment);
  void OnServerSegment(Instant now, const Segment& segment);
  void Tick(Instant now);
  Instant deadline() const { return earliest_; }

  struct Session {
    enum class State : uint8_t { kIdle, kConnecting, kOpen, kEnding };
    State state = State::kIdle;
    Endpoint client;
    Endpoint service;
    uint32_t number = 0;  // Of the segment under way, or last answered.
    bool under_way = false;
    Instant next;   // To send it again, the next one, or to begin.
    Instant asked;  // When the one under way was first sent.
    Instant begun;  // When it was established.
    Instant end;    // Of this connection.
    absl::Duration pause;
    absl::Duration interval;
    Instant told;          // When it was first seen to be told of.
    bool excused = false;  // May be lost: nobody was told of it.
    std::string loss;      // Why it was lost; empty: it is not.

    bool open() const { return state == State::kOpen; }
    FlowKey key() const { return {client, service, Protocol::kTcp}; }
  };
  std::vector<Session>& sessions() { return sessions_; }
  // Nobody knows of it, as nobody had to: begins another.
  void Excuse(Instant now, Session& session);

  struct Stats {
    uint64_t opened = 0;
    uint64_t ended = 0;
    uint64_t excused = 0;  // Lost, but nobody could have known of them.
    uint64_t answers = 0;
  };
  const Stats& stats() const { return stats_; }
  // The first session that was lost without an excuse, and how; empty: none.
  const std::string& loss() const { return loss_; }
  // The longest a segment has now been without its answer, over open ones.
  absl::Duration longest_wait(Instant now) const;

 private:
  void Schedule(Session& session, Instant next);
  void Begin(Instant now, Session& session);
  void Restart(Instant now, Session& session);
  void Send(Instant now, Session& session);
  void Lose(Instant now, Session& session, const char* how);

  std::mt19937_64& random_;
  Wire& wire_;
  std::vector<Session> sessions_;
  Instant earliest_;  // Session::next of all of them.
  absl::flat_hash_map<FlowKey, size_t> by_key_;
  // Of each server's connections, the last segment's number.
  absl::flat_hash_map<FlowKey, uint32_t> at_servers_;
  uint16_t next_port_ = 1024;
  Stats stats_;
  std::string loss_;
};

}  // namespace ballast::sim

#endif  // LB_SIM_SESSIONS_H_
