// One client's HTTP/1 connection: the codec that makes exchanges out of its
// bytes, one after the other, and writes their answers in order. Pure: bytes,
// ends and the time go in, Orders come out.
//
//   HttpConnection connection(settings, client, &chooser, &counters, now);
//   Do(connection.ClientBytes(now, bytes));   // and so on for every event
//   Do(connection.Tick(now));                 // at deadline(), or earlier
//
// Pipelining  requests are answered one by one; what came too early waits, and
//             the client is not read meanwhile.
// Keep-alive  RFC 9112 §9.3, 1.0 and 1.1. The connection ends after an answer
//             whose request was not read to its end, and after any refusal.
// Bodies      are streamed; a body that ends with the server's connection goes
//             to an HTTP/1.1 client in chunks.
// Memory      bounded by StreamSettings::buffer_max each way, the limits of
//             heads, and what is given while reading is not wanted.
// Times       head_timeout: 408. idle_timeout: 408, 504 or, between requests, a
//             plain close. Of a head that is not gone on with: whichever is
//             sooner.
// Threads     one.
#ifndef LB_L7_HTTP_CONNECTION_H_
#define LB_L7_HTTP_CONNECTION_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "io/base/instant.h"
#include "lb/http/message_reader.h"
#include "lb/l7/chooser.h"
#include "lb/l7/counters.h"
#include "lb/l7/exchange.h"
#include "lb/l7/orders.h"
#include "lb/l7/response_sink.h"
#include "lb/l7/send_buffer.h"
#include "lb/l7/settings.h"

namespace ballast::l7 {

class HttpConnection final : private ResponseSink {
 public:
  // All but `client` must outlive it.
  HttpConnection(const HttpSettings& settings, const Client& client,
                 Chooser* chooser, Counters* counters, Instant now);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  Orders ClientBytes(Instant now, std::span<const uint8_t> bytes);
  Orders ClientEnd(Instant now);   // It has shut down writing.
  Orders ClientGone(Instant now);  // Reset, or a send failed.
  Orders ClientSent(Instant now, size_t count);
  // `reused`: the connection has served another request before.
  Orders ServerConnected(Instant now, bool reused);
  // It could not be reached, or the other reasons of Outcome that E1 names.
  Orders ServerFailed(Instant now, Outcome outcome = Outcome::kConnectFailed);
  Orders ServerBytes(Instant now, std::span<const uint8_t> bytes);
  Orders ServerEnd(Instant now);
  Orders ServerGone(Instant now);
  Orders ServerSent(Instant now, size_t count);
  Orders Tick(Instant now);
  // Closes as soon as the answer under way is complete; at once if there is
  // none (a service that is taken out of use).
  Orders Drain(Instant now);

  // Cuts both legs (a server that failed or was drained, a service removed).
  Orders Drop(Instant now);

  Instant deadline() const;
  // Neither a request nor an answer is under way.
  bool idle() const;
  // Bytes held for either side, heads included.
  size_t held_bytes() const;

 private:
  enum class State : uint8_t {
    kHead,    // Reading a request's head, or waiting for one.
    kBody,    // An exchange whose request is not complete.
    kAnswer,  // An exchange whose request is.
    kTunnel,
    kClosing,  // What is written is sent, and then the end.
    kClosed,
  };

  void Pump(Instant now);
  bool PumpHead(Instant now);
  bool PumpBody(Instant now);
  void PumpTunnel(Instant now);
  void StartExchange(Instant now);
  void AfterAnswer(Instant now);
  bool MayStillSend() const;
  void RefuseRequest();
  void CloseWhenSent(bool linger);
  void Reset();
  // Reads what can be read, and says what is to be done.
  Orders Advance(Instant now, absl::string_view bytes = {});
  Orders Give();

  void OnInterim(const http::ResponseHead& head) override;
  void OnHead(const http::ResponseHead& head, bool tunnel) override;
  void OnBody(absl::string_view bytes) override;
  void OnEnd(const http::Fields& trailers) override;
  void OnServerEnd() override;
  void OnDenial(const Denial& denial, bool close) override;
  void OnAbort() override;
  bool HasRoom() const override;

  const HttpSettings& settings_;
  const Client client_;
  Counters* counters_;
  http::RequestReader reader_;
  SendBuffer to_client_;
  Exchange exchange_;
  std::string backlog_;      // Bytes that came before they were wanted.
  absl::string_view input_;  // Being read: of the event, or of backlog_.
  Instant now_;
  Instant deadline_;        // Of the states without an exchange.
  Instant head_deadline_;   // Of a head that has begun.
  uint64_t body_size_ = 0;  // Of the request, so far.
  State state_ = State::kHead;
  bool keep_alive_ = true;  // After this answer.
  bool chunked_ = false;    // The answer's body is written in chunks.
  bool interim_passed_ = false;
  bool client_ended_ = false;
  bool client_end_passed_ = false;  // These three in a tunnel.
  bool server_ended_ = false;
  bool server_end_passed_ = false;
  bool cut_resets_ = false;  // An incomplete answer would look complete.
  bool draining_ = false;
  bool linger_ = false;
  bool reset_ = false;
};

}  // namespace ballast::l7

#endif  // LB_L7_HTTP_CONNECTION_H_
