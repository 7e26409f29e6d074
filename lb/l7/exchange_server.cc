// What an exchange makes of its server's bytes and of its end.
#include "io/base/check.h"
#include "lb/http/connection_fields.h"
#include "lb/l7/exchange.h"
#include "lb/l7/forwarding_fields.h"

namespace ballast::l7 {
namespace {

// Methods whose body servers commonly do not expect (RFC 9110 §9.3).
bool BodyIsUnusual(http::Method method) {
  return method == http::Method::kGet || method == http::Method::kHead ||
         method == http::Method::kOptions || method == http::Method::kDelete;
}

}  // namespace

void Exchange::ServerFailed(Instant now, Outcome outcome) {
  BALLAST_CHECK(phase_ == Phase::kConnecting);
  FailOrRetry(now, outcome, outcome == Outcome::kConnectFailed ? 503 : 502);
}

void Exchange::ServerBytes(Instant now, absl::string_view bytes) {
  BALLAST_CHECK(connected_);
  Touch(now);
  if (phase_ == Phase::kFlushing) {  // Nothing was asked: E4.
    Finish(now, Outcome::kAnswered, false);
    return;
  }
  while (phase_ == Phase::kExchanging) {
    switch (reader_.Next(&bytes)) {
      case http::Read::kNeedMore:
        return;
      case http::Read::kHead:
        if (reader_.head().interim()) {
          if (!ReadInterim(now)) return;
        } else {
          ReadHead(now);
        }
        break;
      case http::Read::kBody:
        sink_->OnBody(reader_.body());
        break;
      case http::Read::kEnd:
        if (reader_.head().interim()) {
          reader_.Begin(request_->method);
        } else if (phase_ == Phase::kExchanging) {
          ResponseEnd(now, bytes.empty());
          return;
        }
        break;
      case http::Read::kRefused:
        counters_->response_refused[static_cast<size_t>(reader_.refusal())].Add(
            1);
        Fail(now, Outcome::kServerInvalid, 502);
        return;
    }
  }
  if (phase_ == Phase::kTunnel && !bytes.empty()) sink_->OnBody(bytes);
}

// False if the exchange is over.
bool Exchange::ReadInterim(Instant now) {
  if (++interims_ > settings_.interim_max) {
    Fail(now, Outcome::kServerInvalid, 502);
    return false;
  }
  if (request_->minor_version >= 1) {
    passed_on_ = true;
    sink_->OnInterim(reader_.head());
  }
  return true;
}

void Exchange::ReadHead(Instant now) {
  http::ResponseHead* head = &reader_.head();
  const bool switched = head->status == 101;
  if (switched && (!upgrading_ || !head->upgrade)) {  // E5
    Fail(now, Outcome::kServerInvalid, 502);
    return;
  }
  const bool tunnel = switched || (request_->method == http::Method::kConnect &&
                                   head->status < 300);
  http::RemoveNamedByConnection(&head->fields);
  if (!chooser_->OnResponse(now, client_, connect_.choice, *request_, head)) {
    Fail(now, Outcome::kDropped, 500);
    return;
  }
  AddVia(settings_.forwarding, head);
  passed_on_ = head_passed_ = true;
  sink_->OnHead(*head, tunnel);
  if (tunnel) phase_ = Phase::kTunnel;
}

void Exchange::ResponseEnd(Instant now, bool clean) {
  counters_->responses.Add(1);
  sink_->OnEnd(reader_.trailers());
  const bool reusable =  // E4
      clean && request_done_ && reader_.head().keep_alive &&
      settings_.reuse_servers && !upgrading_ &&
      !(BodyIsUnusual(request_->method) && request_->has_body()) &&
      !server_ended_;
  if (reusable && !to_server_.empty()) {
    phase_ = Phase::kFlushing;
    deadline_ = now + settings_.stream.connect_timeout;
    return;
  }
  Finish(now, Outcome::kAnswered, reusable);
}

void Exchange::ServerEnd(Instant now) {
  BALLAST_CHECK(connected_);
  server_ended_ = true;
  if (phase_ == Phase::kFlushing) {
    Finish(now, Outcome::kAnswered, false);
    return;
  }
  if (phase_ == Phase::kTunnel) {
    Touch(now);
    sink_->OnServerEnd();
    if (client_ended_ && to_server_.empty()) {
      Finish(now, Outcome::kTunnelled, false);
    }
    return;
  }
  ServerLost(now);
}

void Exchange::ServerGone(Instant now) {
  BALLAST_CHECK(connected_);
  server_ended_ = true;
  if (phase_ == Phase::kFlushing) {
    Finish(now, Outcome::kAnswered, false);
    return;
  }
  if (phase_ == Phase::kTunnel) {
    Finish(now, Outcome::kServerBroke, false);
    sink_->OnAbort();
    return;
  }
  // A reset is no end: a body framed by it may be incomplete.
  if (head_passed_) {
    Fail(now, Outcome::kServerBroke, 502);
    return;
  }
  ServerLost(now);
}

void Exchange::ServerLost(Instant now) {
  switch (reader_.Closed()) {
    case http::Read::kEnd:
      ResponseEnd(now, false);
      return;
    case http::Read::kNeedMore:
      if (!passed_on_) {
        FailOrRetry(now, Outcome::kServerClosed, 502);
        return;
      }
      break;
    default:
      break;
  }
  Fail(now, head_passed_ ? Outcome::kServerBroke : Outcome::kServerClosed, 502);
}

}  // namespace ballast::l7
