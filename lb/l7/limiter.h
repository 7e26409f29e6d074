// Traffic limits of proxied services: each service's, each client's at a
// service, and both of the whole unit (LoadMaster behaviour §5.4).
//
//   auto limiter = std::make_shared<Limiter>(options);
//   limiter->Set(now, model.l7.limits);
//   auto service = limiter->NewService();   // Kept over configurations:
//   service->Set(now, config.l7->limits);   // at once in force.
//   Ticket ticket;                          // One for each connection.
//   if (auto refusal = ticket.Open(now, *service, client)) ...
//   if (auto refusal = ticket.Request(now)) ...
//   read_on = ticket.Charge(now, bytes);
//
// Order    a client's own limits come first, so that one that exceeds them uses
//          up nobody else's. What is refused anywhere counts nowhere.
// Counted  each refusal at its service, by the limit it exceeded.
// Cost     of what is not limited: a few loads, and for each connection two
//          atomic counts. See traffic_meter.h and client_meters.h.
// Threads  Set() and NewService(): one. The rest: any; limits hold exactly over
//          all of them.
#ifndef LB_L7_LIMITER_H_
#define LB_L7_LIMITER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/base/siphash.h"
#include "lb/config/l7_model.h"
#include "lb/l7/client_meters.h"
#include "lb/l7/traffic_meter.h"

namespace ballast::l7 {

// Which limit was exceeded, in the order they are asked.
enum class LimitReason : uint8_t {
  kClientConnections,
  kClientConnectionRate,
  kClientRequestRate,
  kUnitClientConnections,
  kUnitClientConnectionRate,
  kUnitClientRequestRate,
  kConnections,
  kConnectionRate,
  kRequestRate,
  kUnitConnections,
  kUnitConnectionRate,
  kUnitRequestRate,
  kCount,
};
// As the configuration calls it: "client_connections"; the unit's with "l7."
// before it.
absl::string_view LimitReasonName(LimitReason reason);

struct LimitRefusal {
  LimitReason reason = LimitReason::kConnections;
  config::Excess excess = config::Excess::kClose;
  // When it is worth another try: rates are whole again.
  static constexpr uint32_t kRetryAfterS = 1;

  friend bool operator==(const LimitRefusal&, const LimitRefusal&) = default;
};

class LimitedService;

class Limiter : public std::enable_shared_from_this<Limiter> {
 public:
  struct Options {
    size_t clients_max = 131'072;  // Clients with limits of their own at once.
    SipKey key;                    // Unpredictable.
  };
  explicit Limiter(const Options& options) : options_(options) {}

  void Set(Instant now, const config::TrafficLimits& limits);
  std::shared_ptr<LimitedService> NewService();

  // Clients that passed without limits of their own, for want of a place.
  uint64_t clients_full() const;

 private:
  friend class LimitedService;
  friend class Ticket;
  // Limits as they are in force.
  struct Domain {
    explicit Domain(uint32_t number_in) : number(number_in) {}
    void Set(Instant now, const config::TrafficLimits& limits,
             ClientMeters* clients);

    const uint32_t number;
    LiveLimit all;
    LiveLimit client;
    std::atomic<config::Excess> excess{config::Excess::kClose};
    TrafficMeter meter;
  };

  ClientMeters* ClientsFor(const config::TrafficLimits& limits);

  const Options options_;
  Domain unit_{0};
  uint32_t next_number_ = 1;
  std::unique_ptr<ClientMeters> clients_owned_;
  // Made with the first limit of a client's.
  std::atomic<ClientMeters*> clients_{nullptr};
};

class LimitedService {
 public:
  void Set(Instant now, const config::TrafficLimits& limits);
  uint64_t refused(LimitReason reason) const {
    return refused_[static_cast<size_t>(reason)].load(
        std::memory_order_relaxed);
  }
  uint64_t open() const { return domain_.meter.open(); }
  // What a new Ticket's Open() would say, or, if that takes it and with
  // `request`, its first Request(); nothing is taken or counted.
  std::optional<LimitRefusal> WouldRefuse(Instant now, const Address& client,
                                          bool request) const;

 private:
  friend class Limiter;
  friend class Ticket;
  LimitedService(std::shared_ptr<Limiter> limiter, uint32_t number)
      : limiter_(std::move(limiter)), domain_(number) {}

  const std::shared_ptr<Limiter> limiter_;
  Limiter::Domain domain_;
  std::array<std::atomic<uint64_t>, static_cast<size_t>(LimitReason::kCount)>
      refused_{};
};

// One connection's part in it. Threads: one.
class Ticket {
 public:
  Ticket() = default;
  Ticket(Ticket&& other) noexcept { *this = std::move(other); }
  Ticket& operator=(Ticket&& other) noexcept;
  ~Ticket() { Close(); }

  // nullopt: it counts as open until Close(). Else it counts nowhere, and
  // Request() says the same again: of a connection that is to be told.
  std::optional<LimitRefusal> Open(Instant now,
                                   std::shared_ptr<LimitedService> service,
                                   const Address& client);
  void Close();
  bool open() const { return open_; }

  std::optional<LimitRefusal> Request(Instant now);
  // Bytes were read from either side; the time to read on.
  Instant Charge(Instant now, size_t bytes);
  // The least that it has, kbit/s; 0: no limit.
  uint32_t bandwidth() const;
  // Limits of clients were set: it counts for them, whatever they are.
  void Adopt(Instant now);

 private:
  struct Level {
    const LiveLimit* limit = nullptr;
    TrafficMeter* meter = nullptr;  // Null: the client is not counted.
    const std::atomic<config::Excess>* excess = nullptr;
  };
  static constexpr size_t kLevels = 4;

  // What it asks for, of `kind`: 0 to open, 2 a request.
  std::optional<LimitRefusal> Refuse(size_t level, size_t kind);
  void FindClient(Instant now, size_t level, const Limiter::Domain& domain);

  std::shared_ptr<LimitedService> service_;
  Address client_;
  // In the order of LimitReason.
  std::array<Level, kLevels> levels_{};
  std::array<ClientMeters::Held*, 2> held_{};
  bool open_ = false;
  std::optional<LimitRefusal> refused_;
};

}  // namespace ballast::l7

#endif  // LB_L7_LIMITER_H_
