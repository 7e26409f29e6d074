// How the answers of HttpConnection's exchanges are written.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "lb/http/writer.h"
#include "lb/l7/http_connection.h"

namespace ballast::l7 {
namespace {

bool IsRedirect(uint16_t status) {  // LoadMaster behaviour §5.5.
  return status == 301 || status == 302 || status == 303 || status == 307 ||
         status == 308;
}

}  // namespace

bool HttpConnection::HasRoom() const {
  return to_client_.size() < settings_.stream.buffer_max;
}

void HttpConnection::OnInterim(const http::ResponseHead& head) {
  interim_passed_ = true;
  http::WriteResponseHead(head, {}, to_client_.tail());
}

void HttpConnection::OnHead(const http::ResponseHead& head, bool tunnel) {
  const http::RequestHead& request = reader_.head();
  http::ResponseWriting writing;
  if (tunnel) {
    if (head.status == 101) {
      writing.connection = http::ConnectionOption::kUpgrade;
    }
    http::WriteResponseHead(head, writing, to_client_.tail());
    state_ = State::kTunnel;
    cut_resets_ = true;
    return;
  }
  switch (head.framing) {
    case http::BodyFraming::kNone:
      writing.length_informs =
          request.method == http::Method::kHead || head.status == 304;
      break;
    case http::BodyFraming::kLength:
      writing.framing = http::BodyFraming::kLength;
      writing.content_length = head.content_length;
      break;
    case http::BodyFraming::kChunked:
    case http::BodyFraming::kUntilClose:
      if (request.minor_version >= 1) {
        writing.framing = http::BodyFraming::kChunked;
        chunked_ = true;
      } else {
        keep_alive_ = false;
        cut_resets_ = true;
      }
      break;
  }
  // A client that still waits for leave to send its body may never send it.
  if (state_ == State::kBody && request.expect_continue && !interim_passed_) {
    keep_alive_ = false;
  }
  keep_alive_ = keep_alive_ && !draining_;
  if (!keep_alive_) {
    writing.connection = http::ConnectionOption::kClose;
  } else if (request.minor_version == 0) {
    writing.connection = http::ConnectionOption::kKeepAlive;
  }
  http::WriteResponseHead(head, writing, to_client_.tail());
}

void HttpConnection::OnBody(absl::string_view bytes) {
  if (chunked_) {
    http::WriteChunk(bytes, to_client_.tail());
  } else {
    to_client_.Append(bytes);
  }
}

void HttpConnection::OnEnd(const http::Fields& trailers) {
  if (chunked_) http::WriteLastChunk(trailers, to_client_.tail());
}

void HttpConnection::OnServerEnd() { server_ended_ = true; }

void HttpConnection::OnDenial(const Denial& denial, bool close) {
  if (denial.status == 0) {
    CloseWhenSent(true);
    return;
  }
  counters_->replies[std::min<size_t>(denial.status / 100, 5)].Add(1);
  const std::string line =
      absl::StrCat(denial.status, " ", http::ReasonPhrase(denial.status), "\n");
  http::Reply reply{
      .status = denial.status, .fields = denial.fields, .body = line};
  const auto page = settings_.error_pages.find(denial.status);
  if (!denial.body.empty()) {
    reply.body = denial.body;
    reply.content_type = denial.content_type;
  } else if (page != settings_.error_pages.end()) {
    reply.body = page->second.body;
    reply.content_type = page->second.content_type;
  }
  if (IsRedirect(denial.status)) reply.location = denial.location;
  // Without a head there is no method, and the rest cannot be trusted.
  const bool has_head = state_ == State::kBody || state_ == State::kAnswer;
  keep_alive_ =
      keep_alive_ && !close && !denial.close && !draining_ && has_head;
  reply.retry_after_s = denial.retry_after_s;
  reply.close = !keep_alive_;
  reply.head_only = has_head && reader_.head().method == http::Method::kHead;
  http::WriteReply(reply, to_client_.tail());
  if (!keep_alive_) CloseWhenSent(true);
}

void HttpConnection::OnAbort() {
  if (cut_resets_) {
    Reset();
  } else {
    CloseWhenSent(false);
  }
}

}  // namespace ballast::l7
