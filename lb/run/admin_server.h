// The management of a unit over HTTPS: listens where the configuration says
// (message Management), and has lb/admin's Site answer. On a reactor of its
// own, to be polled from the control thread's loop:
//
//   poll on server->fd(), then server->RunOnce();
//   server->Follow() whenever the configuration may have changed.
//
// Certificate  the files the configuration names, or one made at the first
//              start and kept in state_dir (management.crt, management.key).
// Bounds       kConnectionsMax; who comes beyond them is closed at once.
// Errors       an address that cannot be had, or a certificate that is none: a
//              line in the log, and Follow() tries again when something of it
//              has changed. The unit serves on.
// Cost         nothing without users. A TLS handshake is about 1 ms of the
//              control thread; passwords are verified on a thread of its own.
// Threads      the control thread's, which is the backend's.
#ifndef LB_RUN_ADMIN_SERVER_H_
#define LB_RUN_ADMIN_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/reactor.h"
#include "io/unique_fd.h"
#include "lb/admin/backend.h"
#include "lb/admin/site.h"
#include "lb/log_record.h"
#include "lb/run/admin_connection.h"
#include "lb/run/alarm.h"
#include "lb/run/password_thread.h"
#include "lb/tls/context.h"

namespace ballast::run {

class AdminServer final : private AdminConnection::Handler {
 public:
  static constexpr size_t kConnectionsMax = 64;

  struct Options {
    admin::Backend* backend = nullptr;  // Outlives it.
    Log log;
    bool force_epoll = false;
    AdminConnection::Times times = {};
  };
  struct Stats {
    uint64_t accepted = 0;
    uint64_t too_many = 0;    // Connections beyond kConnectionsMax.
    uint64_t unverified = 0;  // Requests for which no password could be looked
                              // at: too many waited.
  };

  static absl::StatusOr<std::unique_ptr<AdminServer>> Create(Options options);
  ~AdminServer();

  int fd() { return reactor_->fd(); }
  void RunOnce() { reactor_->RunOnce(Instant()); }
  // Listens as the configuration in force says now.
  void Follow();

  // Where it listens; port 0: nowhere.
  const Endpoint& at() const { return at_; }
  const Stats& stats() const { return stats_; }

 private:
  // What a listener is made of.
  using Wanted =
      std::tuple<bool, std::string, uint32_t, std::string, std::string>;

  AdminServer(Options options, std::unique_ptr<Reactor> reactor);
  // Listens anew, or no more.
  void Start();
  absl::Status Listen();
  absl::StatusOr<tls::Certificate> ReadCertificate() const;
  void Accept();
  void OnAccept(Completion completion);
  void OnWake(Completion completion);
  void OnRequest(AdminConnection& connection) override;
  void OnGone(AdminConnection& connection) override;

  const Options options_;
  const std::unique_ptr<Reactor> reactor_;
  admin::Site site_;
  Wanted wanted_;     // As the configuration was when it was last looked at.
  Wanted listening_;  // What is.
  bool followed_ = false;
  bool ending_ = false;
  Endpoint at_;
  UniqueFd listener_;
  std::shared_ptr<const tls::ServerContext> context_;
  std::map<uint64_t, AdminConnection*> connections_;
  std::map<uint64_t, admin::PasswordCheck> checks_;  // By connection.
  uint64_t next_id_ = 1;
  Stats stats_;
  PasswordThread passwords_;
  Operation wake_ = Operation::To<&AdminServer::OnWake>(this);
  Operation accept_ = Operation::To<&AdminServer::OnAccept>(this);
  Alarm retry_{*reactor_, [this] { Accept(); }};
};

}  // namespace ballast::run

#endif  // LB_RUN_ADMIN_SERVER_H_
