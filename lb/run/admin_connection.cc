#include "lb/run/admin_connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "io/socket_address.h"
#include "lb/http/refusal.h"
#include "lb/http/writer.h"

namespace ballast::run {
namespace {

constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";

std::span<const uint8_t> BytesOf(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

admin::Method MethodOf(http::Method method) {
  switch (method) {
    case http::Method::kGet:
    case http::Method::kHead:
      return admin::Method::kGet;
    case http::Method::kPost:
      return admin::Method::kPost;
    default:
      return admin::Method::kOther;
  }
}

}  // namespace

AdminConnection::AdminConnection(Reactor& reactor, Handler& handler,
                                 uint64_t id, UniqueFd fd,
                                 std::unique_ptr<tls::Session> tls,
                                 const Times& times)
    : reactor_(reactor),
      handler_(handler),
      id_(id),
      times_(times),
      reader_(http::Limits{}),
      peer_(SocketAddress::Peer(fd.get()).endpoint().address) {
  leg_ = new Leg(reactor, *this, std::move(fd), std::move(tls));
  reader_.Begin();
  alarm_.Set(reactor_.Now() + times_.request);
  leg_->SetReading(true);
}

void AdminConnection::OnBytes(Leg&, std::span<const uint8_t> bytes) {
  if (leg_ == nullptr) return;
  input_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Read();
}

void AdminConnection::OnEnd(Leg&) {
  ended_ = true;
  if (!busy_) Close();
}

void AdminConnection::OnGone(Leg&) { Close(); }

void AdminConnection::Close() {
  if (leg_ == nullptr) return;
  const bool sending = leg_->sending();
  std::exchange(leg_, nullptr)->Close();
  // What is being sent is ours until then.
  if (!sending) Finish();
}

void AdminConnection::Finish() {
  handler_.OnGone(*this);
  delete this;
}

void AdminConnection::OnSent(Leg&, size_t) {
  if (leg_ == nullptr) return Finish();
  if (std::exchange(interim_, false)) {
    leg_->SetReading(true);
    return Read();
  }
  busy_ = false;
  if (!keep_ || ended_) {
    std::exchange(leg_, nullptr)->Linger();
    return Finish();
  }
  output_.clear();
  reader_.Begin();
  alarm_.Set(reactor_.Now() + times_.idle);
  leg_->SetReading(true);
  Read();
}

void AdminConnection::Read() {
  if (busy_ || interim_) return;
  absl::string_view rest = input_;
  const bool had = reader_.started();
  for (;;) {
    const http::Read read = reader_.Next(&rest);
    if (!had && reader_.started() && read == http::Read::kNeedMore) {
      alarm_.Set(reactor_.Now() + times_.request);
    }
    if (read == http::Read::kNeedMore) break;
    if (read == http::Read::kRefused) {
      input_.clear();
      return Refuse(http::RefusalStatus(reader_.refusal()),
                    http::RefusalName(reader_.refusal()));
    }
    if (read == http::Read::kHead) {
      TakeHead();
      const auto& head = reader_.head();
      if (head.framing == http::BodyFraming::kLength &&
          head.content_length > kBodyMax) {
        return Refuse(413, "the body is too large");
      }
      if (head.expect_continue && head.has_body()) {
        input_ = std::string(rest);
        interim_ = true;
        output_ = kContinue;
        leg_->SetReading(false);
        return leg_->Send(BytesOf(output_));
      }
    } else if (read == http::Read::kBody) {
      if (request_.body.size() + reader_.body().size() > kBodyMax) {
        return Refuse(413, "the body is too large");
      }
      absl::StrAppend(&request_.body, reader_.body());
    } else {
      input_ = std::string(rest);
      busy_ = true;
      leg_->SetReading(false);
      alarm_.Set(Instant::Never());
      return handler_.OnRequest(*this);
    }
  }
  input_ = std::string(rest);
}

void AdminConnection::TakeHead() {
  const http::RequestHead& head = reader_.head();
  const auto field = [&](absl::string_view name) {
    return std::string(head.fields.Find(name).value_or(""));
  };
  const absl::string_view target = head.path();
  const size_t question = target.find('?');
  request_ = {.method = MethodOf(head.method),
              .path = std::string(target.substr(0, question)),
              .query = std::string(question == absl::string_view::npos
                                       ? absl::string_view()
                                       : target.substr(question + 1)),
              .content_type = field("Content-Type"),
              .authorization = field("Authorization"),
              .fetch_site = field("Sec-Fetch-Site"),
              .ballast_request = field("X-Ballast-Request"),
              .peer = peer_};
  keep_ = head.keep_alive && head.minor_version == 1;
  head_only_ = head.method == http::Method::kHead;
}

void AdminConnection::Refuse(uint16_t status, absl::string_view text) {
  busy_ = true;
  keep_ = false;
  leg_->SetReading(false);
  Send({.status = status,
        .content_type = "text/plain",
        .body = absl::StrCat(text, "\n")});
}

void AdminConnection::Answer(const admin::Reply& reply) {
  if (leg_ != nullptr) Send(reply);
}

void AdminConnection::Send(const admin::Reply& reply) {
  auto fields = reply.fields;
  fields.emplace_back("Cache-Control", "no-store");
  fields.emplace_back("X-Content-Type-Options", "nosniff");
  output_.clear();
  http::WriteReply({.status = reply.status,
                    .content_type = reply.content_type,
                    .fields = fields,
                    .body = reply.body,
                    .close = !keep_,
                    .head_only = head_only_},
                   &output_);
  // With it went what may be a password.
  request_ = {};
  alarm_.Set(reactor_.Now() + times_.request);
  leg_->Send(BytesOf(output_));
}

}  // namespace ballast::run
