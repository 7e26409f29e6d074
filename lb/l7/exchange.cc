#include "lb/l7/exchange.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "io/base/check.h"
#include "lb/http/connection_fields.h"
#include "lb/http/writer.h"
#include "lb/l7/forwarding_fields.h"

namespace ballast::l7 {

Exchange::Exchange(const HttpSettings& settings, const Client& client,
                   Chooser* chooser, Counters* counters, ResponseSink* sink)
    : settings_(settings),
      client_(client),
      chooser_(chooser),
      counters_(counters),
      sink_(sink),
      reader_(settings.limits) {}

void Exchange::Begin(Instant now, http::RequestHead* request) {
  BALLAST_CHECK(done());
  request_ = request;
  attempt_ = 0;
  interims_ = 0;
  body_sent_ = request_done_ = passed_on_ = head_passed_ = false;
  fresh_only_ = client_ended_ = server_ended_ = false;
  upgrading_ = MayUpgrade();
  if (request->upgrade && !upgrading_) counters_->upgrades_ignored.Add(1);
  Prepare(settings_, client_, request);
  Choose(now);
}

void Exchange::Prepare(const HttpSettings& settings, const Client& client,
                       http::RequestHead* request) {
  http::RemoveNamedByConnection(&request->fields);
  AddForwardingFields(settings.forwarding, client, request);
}

bool Exchange::MayUpgrade() const {  // E5
  if (!request_->upgrade || request_->has_body()) return false;
  bool all = true;
  request_->fields.ForEachElement(
      http::FieldId::kUpgrade, [&](absl::string_view protocol) {
        all = all &&
              std::any_of(settings_.upgrades.begin(), settings_.upgrades.end(),
                          [&](const std::string& allowed) {
                            return absl::EqualsIgnoreCase(allowed, protocol);
                          });
      });
  return all;
}

void Exchange::Choose(Instant now) {
  auto answer = chooser_->Choose(now, client_, attempt_, request_);
  if (auto* denial = std::get_if<Denial>(&answer)) {
    counters_->denied.Add(1);
    phase_ = Phase::kDone;
    deadline_ = Instant::Never();
    sink_->OnDenial(*denial, request_->has_body() && !request_done_);
    return;
  }
  connect_.choice = std::get<ServerChoice>(answer);
  connect_.host = request_->host();
  connect_.may_reuse =
      settings_.reuse_servers && !fresh_only_ && !upgrading_ &&
      request_->method != http::Method::kConnect &&
      (settings_.reuse_for_unsafe || http::IsIdempotent(request_->method));
  choice_open_ = true;
  order_connect_ = true;
  connected_ = false;
  phase_ = Phase::kConnecting;
  deadline_ = now + settings_.stream.connect_timeout;
}

void Exchange::ServerConnected(Instant now, bool reused) {
  BALLAST_CHECK(phase_ == Phase::kConnecting);
  BALLAST_CHECK(!reused || connect_.may_reuse);
  connected_ = true;
  server_ended_ = false;  // As the one before it may have.
  reused_ = reused;
  phase_ = Phase::kExchanging;
  reader_.Begin(request_->method);
  SendHead();
  Touch(now);
}

void Exchange::SendHead() {
  std::string server;
  if (request_->host().empty()) server = connect_.choice.server.ToString();
  http::RequestWriting writing{
      .framing = request_->framing,
      .content_length = request_->content_length,
      .expect = !request_done_,
      .host_if_missing = server,
  };
  if (upgrading_) {
    writing.connection = http::ConnectionOption::kUpgrade;
  } else if (!settings_.reuse_servers) {
    writing.connection = http::ConnectionOption::kClose;
  }
  http::WriteRequestHead(*request_, writing, to_server_.tail());
}

bool Exchange::wants_body() const {
  return connected_ && to_server_.size() < settings_.stream.buffer_max;
}

void Exchange::Body(Instant now, absl::string_view bytes) {
  Touch(now);
  if (phase_ == Phase::kTunnel) {
    to_server_.Append(bytes);
    return;
  }
  BALLAST_CHECK(phase_ == Phase::kExchanging && !request_done_);
  body_sent_ = true;
  if (request_->framing == http::BodyFraming::kChunked) {
    http::WriteChunk(bytes, to_server_.tail());
  } else {
    to_server_.Append(bytes);
  }
}

void Exchange::RequestEnd(Instant now, const http::Fields& trailers) {
  request_done_ = true;
  if (request_->framing == http::BodyFraming::kChunked) {
    BALLAST_CHECK(phase_ == Phase::kExchanging);
    body_sent_ = true;
    http::WriteLastChunk(trailers, to_server_.tail());
  }
  if (request_->has_body()) Touch(now);
}

void Exchange::ClientEnd(Instant now) {
  BALLAST_CHECK(phase_ == Phase::kTunnel);
  client_ended_ = true;
  if (to_server_.empty()) order_end_ = true;
  if (server_ended_ && to_server_.empty()) {
    Finish(now, Outcome::kTunnelled, false);
  }
}

void Exchange::Abandon(Instant now, Outcome outcome) {
  Finish(now, outcome, false);
}

bool Exchange::BodyRefused(Instant now) {
  const bool can_answer = !head_passed_;
  Finish(now, Outcome::kClientInvalid, false);
  return can_answer;
}

void Exchange::Touch(Instant now) {
  if (phase_ == Phase::kExchanging || phase_ == Phase::kTunnel) {
    deadline_ = now + settings_.stream.idle_timeout;
  }
}

void Exchange::ServerSent(Instant now, size_t count) {
  to_server_.Sent(count);
  if (std::exchange(stale_send_, false)) {
    to_server_.Clear();
    return;
  }
  Touch(now);
  if (phase_ == Phase::kFlushing && to_server_.empty()) {
    Finish(now, Outcome::kAnswered, true);
    return;
  }
  if (phase_ != Phase::kTunnel || !client_ended_ || !to_server_.empty()) return;
  order_end_ = true;
  if (server_ended_) Finish(now, Outcome::kTunnelled, false);
}

void Exchange::Tick(Instant now) {
  if (now < deadline_ || done()) return;
  if (phase_ == Phase::kConnecting) {
    FailOrRetry(now, Outcome::kConnectTimeout, 504);
    return;
  }
  if (phase_ == Phase::kFlushing) {
    Finish(now, Outcome::kAnswered, false);
    return;
  }
  if (phase_ == Phase::kTunnel) {
    Finish(now, Outcome::kTunnelled, false);
    sink_->OnAbort();
    return;
  }
  // Whose turn was it? The client's, if the server has all that came.
  if (!sink_->HasRoom() || (!request_done_ && to_server_.empty())) {
    Fail(now, Outcome::kClientStalled, 408);
  } else if (!head_passed_) {
    Fail(now, Outcome::kServerSilent, 504);
  } else {
    Fail(now, Outcome::kServerStalled, 504);
  }
}

void Exchange::FailOrRetry(Instant now, Outcome outcome, uint16_t status) {
  bool retry;
  if (phase_ == Phase::kConnecting) {  // E1
    retry = attempt_ + 1 < settings_.stream.tries_max;
  } else {  // E2
    retry = reused_ && !fresh_only_ && !passed_on_ && !body_sent_ &&
            http::IsIdempotent(request_->method);
    fresh_only_ = retry;
  }
  if (!retry) {
    Fail(now, outcome, status);
    return;
  }
  ++attempt_;
  counters_->retries.Add(1);
  order_close_ = true;
  EndAttempt(now, outcome);
  Choose(now);
}

// E3
void Exchange::Fail(Instant now, Outcome outcome, uint16_t status) {
  Finish(now, outcome, false);
  if (head_passed_) {
    sink_->OnAbort();
  } else {
    sink_->OnDenial({.status = status}, true);
  }
}

void Exchange::EndAttempt(Instant now, Outcome outcome) {
  counters_->outcomes[static_cast<size_t>(outcome)].Add(1);
  if (std::exchange(choice_open_, false)) {
    chooser_->OnEnd(now, connect_.choice, outcome);
  }
  order_connect_ = false;
  connected_ = false;
  if (to_server_.sending()) {
    stale_send_ = true;
  } else {
    to_server_.Clear();
  }
}

void Exchange::Finish(Instant now, Outcome outcome, bool reusable) {
  BALLAST_CHECK(!done());
  if (reusable) {
    order_release_ = true;
  } else {
    order_close_ = true;
    order_end_ = false;
  }
  EndAttempt(now, outcome);
  phase_ = Phase::kDone;
  deadline_ = Instant::Never();
}

void Exchange::TakeOrders(Orders* orders) {
  orders->close_server = std::exchange(order_close_, false);
  orders->release_server = std::exchange(order_release_, false);
  // Not before the last server's send has let go of the buffer.
  if (order_connect_ && !stale_send_) {
    order_connect_ = false;
    orders->connect = &connect_;
  }
  if (connected_) {
    orders->to_server = to_server_.Take();
    orders->end_server = std::exchange(order_end_, false);
    orders->read_server = !server_ended_ && sink_->HasRoom();
  }
}

}  // namespace ballast::l7
