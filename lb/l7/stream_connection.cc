#include "lb/l7/stream_connection.h"

#include <utility>
#include <variant>

#include "absl/strings/string_view.h"
#include "io/base/check.h"

namespace ballast::l7 {
namespace {

absl::string_view Text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

StreamConnection::StreamConnection(const StreamSettings& settings,
                                   const Client& client, StreamChooser* chooser,
                                   Counters* counters, Instant now)
    : settings_(settings),
      client_(client),
      chooser_(chooser),
      counters_(counters),
      deadline_(now + settings.idle_timeout) {}

Orders StreamConnection::Start(Instant now) {
  if (state_ == State::kClosed) return Give(now);
  BALLAST_CHECK(state_ == State::kWaiting);
  if (settings_.server_speaks_first) Choose(now);
  return Give(now);
}

void StreamConnection::Choose(Instant now) {
  auto answer = chooser_->Choose(now, client_, attempt_, to_server_.queued());
  if (std::holds_alternative<Denial>(answer)) {
    counters_->denied.Add(1);
    state_ = State::kClosed;
    order_reset_client_ = true;
    return;
  }
  connect_ = {.choice = std::get<ServerChoice>(answer)};
  choice_open_ = true;
  order_connect_ = true;
  state_ = State::kConnecting;
  deadline_ = now + settings_.connect_timeout;
}

Orders StreamConnection::ClientBytes(Instant now,
                                     std::span<const uint8_t> bytes) {
  if (state_ == State::kClosed) return Orders();
  to_server_.Append(Text(bytes));
  Touch(now);
  if (state_ == State::kWaiting && !bytes.empty()) {
    if (!std::exchange(awaits_more_, chooser_->ReadClient(Text(bytes)))) {
      hello_deadline_ = now + settings_.hello_timeout;
    }
    deadline_ = hello_deadline_;
    if (!awaits_more_ || to_server_.size() >= settings_.buffer_max) Choose(now);
  }
  return Give(now);
}

Orders StreamConnection::ClientEnd(Instant now) {
  client_ended_ = true;
  if (state_ == State::kWaiting && awaits_more_) {
    Choose(now);
  } else if (state_ == State::kWaiting) {
    state_ = State::kClosed;
    order_close_client_ = true;
  }
  return Give(now);
}

Orders StreamConnection::ClientGone(Instant now) {
  client_ended_ = true;
  Close(now, Outcome::kClientAborted, true);
  return Give(now);
}

Orders StreamConnection::ClientSent(Instant now, size_t count) {
  to_client_.Sent(count);
  Touch(now);
  return Give(now);
}

Orders StreamConnection::ServerConnected(Instant now, bool reused) {
  BALLAST_CHECK(state_ == State::kConnecting && !reused);
  state_ = State::kOpen;
  Touch(now);
  return Give(now);
}

Orders StreamConnection::ServerFailed(Instant now, Outcome outcome) {
  BALLAST_CHECK(state_ == State::kConnecting);
  Retry(now, outcome);
  return Give(now);
}

Orders StreamConnection::ServerBytes(Instant now,
                                     std::span<const uint8_t> bytes) {
  BALLAST_CHECK(state_ == State::kOpen);
  to_client_.Append(Text(bytes));
  if (reads_server_) {
    reads_server_ = chooser_->ReadServer(now, connect_.choice, Text(bytes));
  }
  Touch(now);
  return Give(now);
}

Orders StreamConnection::ServerEnd(Instant now) {
  BALLAST_CHECK(state_ == State::kOpen);
  server_ended_ = true;
  Touch(now);
  return Give(now);
}

Orders StreamConnection::ServerGone(Instant now) {
  BALLAST_CHECK(state_ == State::kOpen);
  server_ended_ = true;
  Close(now, Outcome::kServerBroke, true);
  return Give(now);
}

Orders StreamConnection::ServerSent(Instant now, size_t count) {
  to_server_.Sent(count);
  Touch(now);
  return Give(now);
}

Orders StreamConnection::Tick(Instant now) {
  if (now < deadline_ || state_ == State::kClosed) return Give(now);
  if (state_ == State::kConnecting) {
    Retry(now, Outcome::kConnectTimeout);
  } else if (state_ == State::kWaiting && awaits_more_) {
    Choose(now);
  } else if (state_ == State::kWaiting) {
    counters_->idle_closed.Add(1);
    state_ = State::kClosed;
    order_close_client_ = true;
  } else {
    Close(now,
          to_client_.empty() ? Outcome::kTunnelled : Outcome::kClientStalled,
          true);
  }
  return Give(now);
}

Orders StreamConnection::Drain(Instant now) {
  if (state_ == State::kWaiting && !awaits_more_) {
    state_ = State::kClosed;
    order_close_client_ = true;
  }
  return Give(now);
}

Orders StreamConnection::Drop(Instant now) {
  Close(now, Outcome::kDropped, true);
  return Give(now);
}

void StreamConnection::Retry(Instant now, Outcome outcome) {
  if (attempt_ + 1 >= settings_.tries_max) {
    Close(now, outcome, true);
    return;
  }
  ++attempt_;
  counters_->retries.Add(1);
  order_close_server_ = true;
  EndAttempt(now, outcome);
  Choose(now);
}

void StreamConnection::EndAttempt(Instant now, Outcome outcome) {
  if (!std::exchange(choice_open_, false)) return;
  counters_->outcomes[static_cast<size_t>(outcome)].Add(1);
  chooser_->OnEnd(now, connect_.choice, outcome);
}

void StreamConnection::Close(Instant now, Outcome outcome, bool reset) {
  if (state_ == State::kClosed) return;
  EndAttempt(now, outcome);
  state_ = State::kClosed;
  order_connect_ = false;
  order_close_server_ = true;
  (reset ? order_reset_client_ : order_close_client_) = true;
}

void StreamConnection::Touch(Instant now) {
  if (state_ == State::kOpen || state_ == State::kWaiting) {
    deadline_ = now + settings_.idle_timeout;
  }
}

Orders StreamConnection::Give(Instant now) {
  Orders orders;
  if (state_ == State::kOpen) {
    orders.to_server = to_server_.Take();
    orders.to_client = to_client_.Take();
    if (client_ended_ && to_server_.empty() && !client_end_passed_) {
      orders.end_server = client_end_passed_ = true;
    }
    if (server_ended_ && to_client_.empty() && !server_end_passed_) {
      orders.end_client = server_end_passed_ = true;
    }
    if (client_end_passed_ && server_end_passed_) {
      orders.end_server = orders.end_client = false;
      Close(now, Outcome::kTunnelled, false);
    }
  }
  orders.close_server = std::exchange(order_close_server_, false);
  orders.close_client = std::exchange(order_close_client_, false);
  orders.reset_client = std::exchange(order_reset_client_, false);
  if (std::exchange(order_connect_, false)) orders.connect = &connect_;
  if (state_ == State::kClosed) {
    deadline_ = Instant::Never();
    return orders;
  }
  orders.read_client =
      !client_ended_ && to_server_.size() < settings_.buffer_max;
  orders.read_server = state_ == State::kOpen && !server_ended_ &&
                       to_client_.size() < settings_.buffer_max;
  return orders;
}

}  // namespace ballast::l7
