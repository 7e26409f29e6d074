// A plain TCP stream through the proxy: bytes both ways, unread. Pure: bytes,
// ends and the time go in, Orders come out, as with HttpConnection.
//
// Server   chosen when the first bytes come, or as many of them as the chooser
//          would see, but for hello_timeout at most; at once where the server
//          speaks first (mail, SSH, MySQL; LoadMaster behaviour §4.4). Tried
//          again elsewhere while none could be reached.
// Ends     half-closes pass once everything before them was sent; a reset is
//          passed on as a reset.
// Memory   buffer_max each way, and what is given while reading is not wanted.
// Threads  one.
#ifndef LB_L7_STREAM_CONNECTION_H_
#define LB_L7_STREAM_CONNECTION_H_

#include <cstdint>
#include <span>

#include "io/base/instant.h"
#include "lb/l7/chooser.h"
#include "lb/l7/counters.h"
#include "lb/l7/orders.h"
#include "lb/l7/send_buffer.h"
#include "lb/l7/settings.h"

namespace ballast::l7 {

class StreamConnection {
 public:
  // All but `client` must outlive it.
  StreamConnection(const StreamSettings& settings, const Client& client,
                   StreamChooser* chooser, Counters* counters, Instant now);
  StreamConnection(const StreamConnection&) = delete;
  StreamConnection& operator=(const StreamConnection&) = delete;

  // First, but for Tick(), Drain(), Drop() and ClientGone().
  Orders Start(Instant now);
  Orders ClientBytes(Instant now, std::span<const uint8_t> bytes);
  Orders ClientEnd(Instant now);
  Orders ClientGone(Instant now);
  Orders ClientSent(Instant now, size_t count);
  Orders ServerConnected(Instant now, bool reused);
  Orders ServerFailed(Instant now, Outcome outcome = Outcome::kConnectFailed);
  Orders ServerBytes(Instant now, std::span<const uint8_t> bytes);
  Orders ServerEnd(Instant now);
  Orders ServerGone(Instant now);
  Orders ServerSent(Instant now, size_t count);
  Orders Tick(Instant now);
  // The unit will end: a client that has said nothing yet is let go, what is
  // under way goes on.
  Orders Drain(Instant now);
  // Cuts both legs (a server that failed or was drained, a service removed).
  Orders Drop(Instant now);

  Instant deadline() const { return deadline_; }

 private:
  enum class State : uint8_t { kWaiting, kConnecting, kOpen, kClosed };

  void Choose(Instant now);
  void Retry(Instant now, Outcome outcome);
  void EndAttempt(Instant now, Outcome outcome);
  void Close(Instant now, Outcome outcome, bool reset);
  void Touch(Instant now);
  Orders Give(Instant now);

  const StreamSettings& settings_;
  const Client client_;
  StreamChooser* chooser_;
  Counters* counters_;
  SendBuffer to_client_;
  SendBuffer to_server_;
  ConnectOrder connect_;
  Instant deadline_;
  Instant hello_deadline_ = Instant::Never();  // With awaits_more_.
  uint32_t attempt_ = 0;
  State state_ = State::kWaiting;
  bool awaits_more_ = false;  // First bytes came, and the chooser wants more.
  bool reads_server_ = true;  // The chooser does.
  bool choice_open_ = false;  // OnEnd() is owed.
  bool client_ended_ = false;
  bool server_ended_ = false;
  bool client_end_passed_ = false;
  bool server_end_passed_ = false;
  // What Give() has to say.
  bool order_connect_ = false;
  bool order_close_server_ = false;
  bool order_close_client_ = false;
  bool order_reset_client_ = false;
};

}  // namespace ballast::l7

#endif  // LB_L7_STREAM_CONNECTION_H_
