// One request and its answer, from the choice of a server to its release:
// connecting and trying again, timeouts, interim responses, upgrades, errors.
// A codec feeds it a request and gives it a sink for the answer; what goes to
// the server is HTTP/1.1. An Exchange may be used again after done().
//
// Rules
//   E1  A request is tried elsewhere if a server could not be reached, or no
//       TLS be had with it: nothing of it was sent. Up to
//       StreamSettings::tries_max servers.
//   E2  If a connection that was used before closes without a byte of answer,
//       the request is sent again on a new one; only if it is idempotent and
//       no byte of its body was sent (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
//   E3  Once anything of an answer was passed on, an error ends both sides.
//   E4  A connection goes back to the pool only if request and response are
//       complete, all was sent, nothing more came, and neither side said
//       close. A body on GET, HEAD, OPTIONS or DELETE spoils it, too: the
//       server may not have read it, and take it for the next request.
//   E5  Upgrade passes for protocols of the settings, on a request without a
//       body; the tunnel begins with 101, and with nothing else.
//
// Cost     no allocation per request but what buffers grow to.
// Threads  one.
#ifndef LB_L7_EXCHANGE_H_
#define LB_L7_EXCHANGE_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "io/base/instant.h"
#include "lb/http/head.h"
#include "lb/http/message_reader.h"
#include "lb/l7/chooser.h"
#include "lb/l7/counters.h"
#include "lb/l7/orders.h"
#include "lb/l7/response_sink.h"
#include "lb/l7/send_buffer.h"
#include "lb/l7/settings.h"

namespace ballast::l7 {

class Exchange {
 public:
  // Everything must outlive it.
  Exchange(const HttpSettings& settings, const Client& client, Chooser* chooser,
           Counters* counters, ResponseSink* sink);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // No exchange under way; the last one's server is given back.
  bool done() const { return phase_ == Phase::kDone; }
  bool tunnel() const { return phase_ == Phase::kTunnel; }
  Instant deadline() const { return deadline_; }
  // Held for the server, and of its answer.
  size_t held_bytes() const {
    return to_server_.size() + reader_.head().fields.text().size();
  }

  // `request` stays the codec's, in place until done(). The calls below are for
  // an exchange under way; each may end it.
  void Begin(Instant now, http::RequestHead* request);
  // What is done to a request before anybody is asked where it goes.
  static void Prepare(const HttpSettings& settings, const Client& client,
                      http::RequestHead* request);
  // Whether Body() may be called now: connected, and the server keeps up.
  bool wants_body() const;
  // In a tunnel: any bytes.
  void Body(Instant now, absl::string_view bytes);
  void RequestEnd(Instant now, const http::Fields& trailers);
  // The client's stream has ended, in a tunnel.
  void ClientEnd(Instant now);
  // No answer is wanted any more.
  void Abandon(Instant now, Outcome outcome);
  // The request's body was refused. True if an answer can still be given, which
  // is then the caller's to give.
  bool BodyRefused(Instant now);
  // The client took bytes: something happens.
  void Touch(Instant now);

  void ServerConnected(Instant now, bool reused);
  // kConnectFailed, kTlsFailed or kTlsNameFailed.
  void ServerFailed(Instant now, Outcome outcome);
  void ServerBytes(Instant now, absl::string_view bytes);
  void ServerEnd(Instant now);
  void ServerGone(Instant now);
  void ServerSent(Instant now, size_t count);
  void Tick(Instant now);

  // Adds the server's part; to be called once after the calls above.
  void TakeOrders(Orders* orders);

 private:
  enum class Phase : uint8_t {
    kDone,
    kConnecting,
    kExchanging,
    kFlushing,  // Answered; the send of the request has yet to report.
    kTunnel,
  };

  void Choose(Instant now);
  void SendHead();
  bool MayUpgrade() const;
  bool ReadInterim(Instant now);
  void ReadHead(Instant now);
  void ReadTunnel(Instant now, absl::string_view bytes);
  void ResponseEnd(Instant now, bool clean);
  void ServerLost(Instant now);
  void FailOrRetry(Instant now, Outcome outcome, uint16_t status);
  void Fail(Instant now, Outcome outcome, uint16_t status);
  void Finish(Instant now, Outcome outcome, bool reusable);
  void EndAttempt(Instant now, Outcome outcome);

  const HttpSettings& settings_;
  const Client& client_;
  Chooser* chooser_;
  Counters* counters_;
  ResponseSink* sink_;

  http::RequestHead* request_ = nullptr;
  http::ResponseReader reader_;
  SendBuffer to_server_;
  ConnectOrder connect_;
  Instant deadline_ = Instant::Never();
  uint32_t attempt_ = 0;
  uint32_t interims_ = 0;
  Phase phase_ = Phase::kDone;
  // What TakeOrders() has to say.
  bool order_connect_ = false;
  bool order_close_ = false;
  bool order_release_ = false;
  bool order_end_ = false;
  bool choice_open_ = false;  // OnEnd() is owed.
  bool connected_ = false;    // To a server, now.
  bool reused_ = false;       // Its connection was used before.
  bool upgrading_ = false;    // The request asked for it.
  bool body_sent_ = false;    // Any byte of it.
  bool request_done_ = false;
  bool passed_on_ = false;     // Anything of the answer.
  bool head_passed_ = false;   // Its head.
  bool fresh_only_ = false;    // The retry of E2.
  bool client_ended_ = false;  // In a tunnel.
  bool server_ended_ = false;
  bool stale_send_ = false;  // To a server that was closed meanwhile.
};

}  // namespace ballast::l7

#endif  // LB_L7_EXCHANGE_H_
