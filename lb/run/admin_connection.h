// One client of the management listener: HTTP/1.1 in TLS, one request at a
// time, kept alive.
//
// Bounds   a body of kBodyMax bytes; a request is there Times::request after
//          its first byte, and the next one Times::idle after the last. While
//          one is being answered nothing more is read.
// Errors   what is no HTTP is answered with its status and closed. A reply that
//          is not taken in Times::request ends the connection.
// Threads  the reactor's.
#ifndef LB_RUN_ADMIN_CONNECTION_H_
#define LB_RUN_ADMIN_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/reactor.h"
#include "io/unique_fd.h"
#include "lb/admin/request.h"
#include "lb/http/message_reader.h"
#include "lb/run/alarm.h"
#include "lb/run/leg.h"
#include "lb/tls/session.h"

namespace ballast::run {

class AdminConnection final : private Leg::Owner {
 public:
  static constexpr size_t kBodyMax = size_t{1} << 20;

  struct Times {
    absl::Duration request = absl::Seconds(20);
    absl::Duration idle = absl::Seconds(60);
  };
  class Handler {
   public:
    // To be answered by Answer(), now or later, unless it is gone before.
    virtual void OnRequest(AdminConnection& connection) = 0;
    // The last word: the connection deletes itself now.
    virtual void OnGone(AdminConnection& connection) = 0;

   protected:
    ~Handler() = default;
  };

  AdminConnection(Reactor& reactor, Handler& handler, uint64_t id, UniqueFd fd,
                  std::unique_ptr<tls::Session> tls, const Times& times);
  AdminConnection(const AdminConnection&) = delete;
  AdminConnection& operator=(const AdminConnection&) = delete;

  uint64_t id() const { return id_; }
  const admin::Request& request() const { return request_; }
  void Answer(const admin::Reply& reply);
  // Ends it; OnGone() comes, perhaps at once.
  void Close();

 private:
  ~AdminConnection() = default;

  void OnConnected(Leg&) override {}
  void OnBytes(Leg& leg, std::span<const uint8_t> bytes) override;
  void OnEnd(Leg& leg) override;
  void OnGone(Leg& leg) override;
  void OnSent(Leg& leg, size_t count) override;

  // Goes on with what has come.
  void Read();
  void TakeHead();
  // Closes after the reply.
  void Refuse(uint16_t status, absl::string_view text);
  void Send(const admin::Reply& reply);
  void Finish();

  Reactor& reactor_;
  Handler& handler_;
  const uint64_t id_;
  const Times times_;
  Leg* leg_;  // Null: closed.
  http::RequestReader reader_;
  admin::Request request_;
  const Address peer_;
  std::string input_;       // Yet to be read.
  std::string output_;      // Being sent.
  bool keep_ = false;       // The connection, after this reply.
  bool head_only_ = false;  // HEAD.
  bool busy_ = false;       // A request is being answered.
  bool interim_ = false;    // 100 Continue is being sent.
  bool ended_ = false;      // The client sends no more.
  Alarm alarm_{reactor_, [this] { Close(); }};
};

}  // namespace ballast::run

#endif  // LB_RUN_ADMIN_CONNECTION_H_
