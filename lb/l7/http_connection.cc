#include "lb/l7/http_connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"

namespace ballast::l7 {
namespace {

absl::string_view Text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// RFC 9110 §7.6.2: Max-Forwards counts down, for two methods; at 0 the request
// has come to its recipient. Other values than numbers are not ours to judge.
bool MayGoOn(http::RequestHead* head) {
  if (head->method != http::Method::kOptions &&
      head->method != http::Method::kTrace) {
    return true;
  }
  const auto value = head->fields.Find("Max-Forwards");
  uint32_t left;
  if (!value || !absl::SimpleAtoi(*value, &left)) return true;
  if (left == 0) return false;
  head->fields.Set("Max-Forwards", absl::StrCat(left - 1));
  return true;
}

}  // namespace

HttpConnection::HttpConnection(const HttpSettings& settings,
                               const Client& client, Chooser* chooser,
                               Counters* counters, Instant now)
    : settings_(settings),
      client_(client),
      counters_(counters),
      reader_(settings.limits),
      exchange_(settings, client_, chooser, counters, this),
      now_(now),
      deadline_(now + settings.stream.idle_timeout) {
  reader_.Begin();
}

Instant HttpConnection::deadline() const {
  switch (state_) {
    case State::kHead:
    case State::kClosing:
      return deadline_;
    case State::kClosed:
      return Instant::Never();
    default:
      return exchange_.deadline();
  }
}

bool HttpConnection::idle() const {
  return state_ == State::kHead && !reader_.started() && backlog_.empty() &&
         to_client_.empty();
}

size_t HttpConnection::held_bytes() const {
  return to_client_.size() + backlog_.size() + exchange_.held_bytes() +
         reader_.head().fields.text().size();
}

Orders HttpConnection::ClientBytes(Instant now,
                                   std::span<const uint8_t> bytes) {
  if (state_ == State::kClosing || state_ == State::kClosed) bytes = {};
  return Advance(now, Text(bytes));
}

Orders HttpConnection::ClientEnd(Instant now) {
  client_ended_ = true;
  return Advance(now);
}

Orders HttpConnection::ClientGone(Instant now) {
  client_ended_ = true;
  if (!exchange_.done()) exchange_.Abandon(now, Outcome::kClientAborted);
  if (state_ != State::kClosed) Reset();
  return Advance(now);
}

Orders HttpConnection::ClientSent(Instant now, size_t count) {
  // A slow client must not keep much between its requests.
  to_client_.Sent(count, exchange_.done() ? SendBuffer::kKeptBytes
                                          : 2 * settings_.stream.buffer_max);
  if (state_ == State::kClosed) return Orders();
  if (state_ == State::kClosing) {
    deadline_ = now + settings_.stream.idle_timeout;
  } else {
    exchange_.Touch(now);
  }
  return Advance(now);
}

Orders HttpConnection::ServerConnected(Instant now, bool reused) {
  exchange_.ServerConnected(now, reused);
  return Advance(now);
}

Orders HttpConnection::ServerFailed(Instant now, Outcome outcome) {
  now_ = now;
  exchange_.ServerFailed(now, outcome);
  return Advance(now);
}

Orders HttpConnection::ServerBytes(Instant now,
                                   std::span<const uint8_t> bytes) {
  now_ = now;
  exchange_.ServerBytes(now, Text(bytes));
  return Advance(now);
}

Orders HttpConnection::ServerEnd(Instant now) {
  now_ = now;
  exchange_.ServerEnd(now);
  return Advance(now);
}

Orders HttpConnection::ServerGone(Instant now) {
  now_ = now;
  exchange_.ServerGone(now);
  return Advance(now);
}

Orders HttpConnection::ServerSent(Instant now, size_t count) {
  exchange_.ServerSent(now, count);
  if (state_ == State::kClosed) return Orders();
  return Advance(now);
}

Orders HttpConnection::Tick(Instant now) {
  now_ = now;
  if (now < deadline()) return Give();
  switch (state_) {
    case State::kHead:
      if (reader_.started()) {
        counters_->heads_timed_out.Add(1);
        OnDenial({.status = 408}, true);
      } else {
        counters_->idle_closed.Add(1);
        CloseWhenSent(false);
      }
      break;
    case State::kClosing:
      Reset();
      break;
    case State::kClosed:
      break;
    default:
      exchange_.Tick(now);
  }
  return Advance(now);
}

Orders HttpConnection::Drain(Instant now) {
  draining_ = true;
  return Advance(now);
}

Orders HttpConnection::Drop(Instant now) {
  if (!exchange_.done()) exchange_.Abandon(now, Outcome::kDropped);
  if (state_ != State::kClosed) Reset();
  return Advance(now);
}

Orders HttpConnection::Advance(Instant now, absl::string_view bytes) {
  now_ = now;
  if (backlog_.empty()) {
    input_ = bytes;
    Pump(now);
    backlog_.assign(input_.data(), input_.size());
  } else {
    backlog_.append(bytes.data(), bytes.size());
    input_ = backlog_;
    Pump(now);
    backlog_.erase(0, backlog_.size() - input_.size());
  }
  if (backlog_.empty() && backlog_.capacity() > SendBuffer::kKeptBytes) {
    std::string().swap(backlog_);
  }
  input_ = {};
  return Give();
}

// Every round takes input, or changes the state, or is the last.
void HttpConnection::Pump(Instant now) {
  while (true) {
    switch (state_) {
      case State::kHead:
        if (!PumpHead(now)) return;
        break;
      case State::kBody:
        if (!PumpBody(now)) return;
        break;
      case State::kAnswer:
        if (!exchange_.done()) return;
        AfterAnswer(now);
        break;
      case State::kTunnel:
        PumpTunnel(now);
        if (state_ == State::kTunnel) return;
        break;
      case State::kClosing:
      case State::kClosed:
        input_ = {};
        return;
    }
  }
}

bool HttpConnection::PumpHead(Instant now) {
  const bool started = reader_.started();
  if (draining_ && !started) {
    CloseWhenSent(false);
    return true;
  }
  if (!HasRoom()) return false;  // Many small requests, each refused, say.
  const size_t given = input_.size();
  switch (reader_.Next(&input_)) {
    case http::Read::kNeedMore:
      if (!started) head_deadline_ = now + settings_.head_timeout;
      if (reader_.started() && input_.size() < given) {
        deadline_ =
            std::min(head_deadline_, now + settings_.stream.idle_timeout);
      }
      if (!client_ended_) return false;
      if (reader_.started()) {
        counters_
            ->request_refused[static_cast<size_t>(http::Refusal::kTruncated)]
            .Add(1);
      }
      CloseWhenSent(false);
      return true;
    case http::Read::kHead:
      StartExchange(now);
      return true;
    case http::Read::kRefused:
      RefuseRequest();
      return true;
    default:
      BALLAST_CHECK(false);
  }
}

void HttpConnection::StartExchange(Instant now) {
  http::RequestHead& head = reader_.head();
  counters_->requests.Add(1);
  state_ = State::kBody;
  keep_alive_ = head.keep_alive;
  chunked_ = interim_passed_ = cut_resets_ = false;
  body_size_ = 0;
  if (head.method == http::Method::kConnect && !settings_.allow_connect) {
    OnDenial({.status = 405}, true);
  } else if (settings_.body_size_max > 0 &&
             head.content_length > settings_.body_size_max) {
    OnDenial({.status = 413}, true);
  } else if (!MayGoOn(&head)) {
    const bool options = head.method == http::Method::kOptions;
    OnDenial({.status = static_cast<uint16_t>(options ? 200 : 405)},
             head.has_body());
  } else {
    exchange_.Begin(now, &head);
  }
}

bool HttpConnection::PumpBody(Instant now) {
  const http::RequestHead& head = reader_.head();
  const bool has_body =
      head.framing == http::BodyFraming::kChunked || head.content_length > 0;
  if (has_body && exchange_.done()) {
    CloseWhenSent(true);  // Answered, and the rest of the body is not wanted.
    return true;
  }
  // The end of a body with a length takes no room, and the server may answer
  // before there is some again.
  if (has_body && !exchange_.wants_body() && !reader_.body_given()) {
    return false;
  }
  switch (reader_.Next(&input_)) {
    case http::Read::kNeedMore:
      if (!client_ended_) return false;
      counters_->request_refused[static_cast<size_t>(http::Refusal::kTruncated)]
          .Add(1);
      exchange_.Abandon(now, Outcome::kClientAborted);
      CloseWhenSent(false);
      return true;
    case http::Read::kBody:
      body_size_ += reader_.body().size();
      if (settings_.body_size_max == 0 ||
          body_size_ <= settings_.body_size_max) {
        exchange_.Body(now, reader_.body());
      } else if (exchange_.BodyRefused(now)) {
        OnDenial({.status = 413}, true);
      } else {
        OnAbort();
      }
      return true;
    case http::Read::kEnd:
      if (!exchange_.done()) exchange_.RequestEnd(now, reader_.trailers());
      state_ = State::kAnswer;
      return true;
    case http::Read::kRefused:
      if (exchange_.BodyRefused(now)) {
        RefuseRequest();
      } else {
        counters_->request_refused[static_cast<size_t>(reader_.refusal())].Add(
            1);
        OnAbort();
      }
      return true;
    default:
      BALLAST_CHECK(false);
  }
}

void HttpConnection::PumpTunnel(Instant now) {
  if (!exchange_.done() && !input_.empty() && exchange_.wants_body()) {
    exchange_.Body(now, input_);
    input_ = {};
  }
  if (client_ended_ && input_.empty() && !client_end_passed_ &&
      !exchange_.done()) {
    client_end_passed_ = true;
    exchange_.ClientEnd(now);
  }
  if (exchange_.done()) CloseWhenSent(false);
}

void HttpConnection::AfterAnswer(Instant now) {
  if (!keep_alive_ || draining_) {
    CloseWhenSent(!client_ended_ && MayStillSend());
    return;
  }
  reader_.Begin();
  state_ = State::kHead;
  deadline_ = now + settings_.stream.idle_timeout;
}

// A client that has asked for the end sends no more (RFC 9112 §9.6), but for an
// empty line that old ones put after a body.
bool HttpConnection::MayStillSend() const {
  const http::RequestHead& head = reader_.head();
  return head.keep_alive || head.has_body() || !input_.empty();
}

void HttpConnection::RefuseRequest() {
  const http::Refusal refusal = reader_.refusal();
  counters_->request_refused[static_cast<size_t>(refusal)].Add(1);
  OnDenial({.status = http::RefusalStatus(refusal)}, true);
}

void HttpConnection::CloseWhenSent(bool linger) {
  state_ = State::kClosing;
  linger_ = linger;
  deadline_ = now_ + settings_.stream.idle_timeout;
}

void HttpConnection::Reset() {
  state_ = State::kClosing;
  reset_ = true;
  to_client_.ClearQueued();
}

Orders HttpConnection::Give() {
  Orders orders;
  exchange_.TakeOrders(&orders);
  if (state_ == State::kClosed) return orders;
  if (reset_) {
    state_ = State::kClosed;
    orders.reset_client = true;
    return orders;
  }
  orders.to_client = to_client_.Take();
  const bool sent = to_client_.empty();
  if (state_ == State::kClosing) {
    if (!sent) return orders;
    state_ = State::kClosed;
    orders.close_client = true;
    orders.linger = linger_;
    return orders;
  }
  if (server_ended_ && sent && !server_end_passed_) {
    server_end_passed_ = true;
    orders.end_client = true;
  }
  // One read more than can be used, to notice that the client goes away.
  orders.read_client = !client_ended_ && backlog_.empty() && HasRoom();
  return orders;
}

}  // namespace ballast::l7
