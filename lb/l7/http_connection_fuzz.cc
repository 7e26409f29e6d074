// Properties of a proxied HTTP connection, whatever client, servers and owner
// do, in whatever order and pieces:
//   - the owner can carry out every order (rig.h checks: one server at a time,
//     one send at a time, nothing after a close);
//   - memory: what it holds is bounded;
//   - the client gets a stream of HTTP/1.1 messages that our reader accepts, no
//     more final answers than it sent requests, and a prefix of a message only
//     at the end of a connection that was closed;
//   - each server gets requests that our reader accepts, and no bytes of a body
//     that the client did not send;
//   - every choice ends once; left alone, the connection closes.
// Input: settings, then a script of one byte and its arguments for each step.
// Requests and responses are picked from a list and damaged now and then.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "lb/http/transcript.h"
#include "lb/l7/http_connection.h"
#include "lb/l7/rig.h"

namespace ballast::l7 {
namespace {

const absl::string_view kRequests[] = {
    "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n1234567",
    "PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    "HEAD /d HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /e HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET /f HTTP/1.0\r\n\r\n",
    "PUT /g HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
    "Expect: 100-continue\r\n\r\nab",
    "GET /h HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "GET /i HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nz",
};
const absl::string_view kUpgradeRequest =
    "GET /u HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
    "Connection: upgrade\r\n\r\n";
const absl::string_view kResponses[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    "2\r\nab\r\n3\r\ncde\r\n0\r\nT: u\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n",
    "HTTP/1.0 200 OK\r\n\r\nuntil close",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense",
};

constexpr size_t kPieceMax = 300;

class Run {
 public:
  Run(const uint8_t* data, size_t size) : data_(data), left_(size) {
    const uint8_t options = Byte();
    settings_.stream.buffer_max = 50 + Byte();
    settings_.stream.tries_max = 1 + options % 3;
    settings_.reuse_servers = (options & 4) == 0;
    settings_.reuse_for_unsafe = (options & 8) == 0;
    settings_.body_size_max = (options & 16) == 0 ? 0 : 5;
    settings_.limits = {.head_size_max = 400, .chunk_head_size_max = 64};
    settings_.forwarding.via = (options & 32) == 0 ? "" : "v";
    upgrades_ = (options & 64) != 0;
  }

  void Go() {
    Rig<HttpConnection> rig(settings_, &counters_);
    rig_ = &rig;
    for (int steps = 0; left_ > 0 && !rig.client_closed && steps < 600;
         ++steps) {
      Step();
      CheckMemory();
    }
    // Left alone. A send that is under way ends sooner or later.
    rig.hold_client = rig.hold_server = false;
    for (int i = 0; i < 40; ++i) {
      if (rig.client_sending) rig.FinishClientSend();
      if (rig.server_sending) rig.FinishServerSend();
      if (rig.client_closed) break;
      rig.Pass(absl::Seconds(700));
    }
    BALLAST_CHECK(rig.client_closed);
    BALLAST_CHECK(rig.chooser.open == 0);
    BALLAST_CHECK(!rig.server_up && !rig.connecting);
    BALLAST_CHECK(rig.connection.deadline() == Instant::Never());
    EndOfServer();
    CheckClient();
  }

 private:
  uint8_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }

  std::string Damaged(absl::string_view text) {
    std::string out(text);
    const uint8_t how = Byte();
    if (how >= 32 || out.empty()) return out;
    const size_t at = Byte() % out.size();
    switch (how % 4) {
      case 0:
        out[at] = static_cast<char>(Byte());
        break;
      case 1:
        out.erase(at, 1);
        break;
      case 2:
        out.insert(at, 1, static_cast<char>(Byte()));
        break;
      default:
        out.resize(at);
    }
    return out;
  }

  void Step() {
    rig_->now += absl::Milliseconds(Byte());
    const uint8_t what = Byte();
    rig_->hold_client = (what & 64) != 0;
    rig_->hold_server = (what & 128) != 0;
    switch (what % 12) {
      case 0:
        client_text_ += Damaged(kRequests[Byte() % std::size(kRequests)]);
        break;
      case 1:
        if (upgrades_) client_text_ += std::string(kUpgradeRequest);
        break;
      case 2:
      case 3:
        GiveClientBytes();
        break;
      case 4:
        if (rig_->connecting) {
          EndOfServer();
          rig_->Connected(rig_->may_reuse && Byte() % 2 == 0);
        }
        break;
      case 5:
        if (rig_->connecting) rig_->Failed();
        break;
      case 6:
        server_text_ += Damaged(kResponses[Byte() % std::size(kResponses)]);
        break;
      case 7:
      case 8:
        GiveServerBytes();
        break;
      case 9:
        if (rig_->client_sending) {
          rig_->FinishClientSend();
        } else if (rig_->server_sending) {
          rig_->FinishServerSend();
        }
        break;
      case 10:
        if (rig_->server_up && !rig_->server_sending && !server_ended_) {
          if (Byte() % 2 == 0) {
            server_ended_ = true;
            rig_->ServerEnd();
          } else {
            server_ended_ = true;
            rig_->ServerGone();
          }
        }
        break;
      default:
        if (Byte() % 8 != 0) {
          rig_->Pass(absl::Seconds(Byte()));
        } else if (!client_ended_) {
          client_ended_ = true;
          rig_->ClientEnd();
        } else {
          gone_ = true;
          rig_->ClientGone();
        }
    }
    if (!rig_->server_up) EndOfServer();
  }

  void GiveClientBytes() {
    if (!rig_->read_client || client_ended_ || client_text_.empty()) return;
    const size_t size =
        std::min<size_t>({client_text_.size(), 1u + Byte(), kPieceMax});
    const std::string piece = client_text_.substr(0, size);
    client_text_.erase(0, size);
    given_ += piece;
    rig_->Client(piece);
  }

  void GiveServerBytes() {
    if (!rig_->server_up || !rig_->read_server || server_ended_ ||
        server_text_.empty()) {
      return;
    }
    const size_t size =
        std::min<size_t>({server_text_.size(), 1u + Byte(), kPieceMax});
    const std::string piece = server_text_.substr(0, size);
    server_text_.erase(0, size);
    rig_->Server(piece);
  }

  // What one server got: requests, whole but for the last. (Then a tunnel.)
  void EndOfServer() {
    server_ended_ = false;
    server_text_.clear();
    if (rig_->to_server.empty()) return;
    const http::Transcript got = http::ReadRequests(rig_->TakeServer());
    if (!upgrades_) {
      BALLAST_CHECK(got.refusal == http::Refusal::kNone);
      BALLAST_CHECK(got.messages <= 1);
    }
  }

  void CheckMemory() {
    // Each way: the bound, two reads more, and two heads.
    BALLAST_CHECK(rig_->connection.held_bytes() <=
                  2 * (settings_.stream.buffer_max + 2 * kPieceMax + 1200));
  }

  void CheckClient() {
    if (upgrades_ || gone_) return;
    // Answers are read as the client would: by the methods it sent.
    size_t finals = 0;
    absl::string_view rest = rig_->to_client;
    size_t answered = 0;
    const http::Transcript sent = http::ReadRequests(given_);
    while (!rest.empty()) {
      const size_t head_end = rest.find("\r\n\r\n");
      if (head_end == absl::string_view::npos) break;
      const absl::string_view head = rest.substr(0, head_end + 4);
      BALLAST_CHECK(absl::StartsWith(head, "HTTP/1.1 "));
      const bool interim = head[9] == '1';
      rest.remove_prefix(head.size());
      if (interim) continue;
      ++finals;
      const bool to_head = MethodOf(answered++, sent.text) == "HEAD";
      if (to_head || head[9] == '3' ||
          absl::StartsWith(head.substr(9), "204")) {
        continue;
      }
      if (absl::StrContains(head, "Transfer-Encoding: chunked\r\n")) {
        const size_t end = EndOfChunks(rest);
        if (end == 0) return;  // Cut off, which ends the connection.
        rest.remove_prefix(end);
      } else {
        const size_t at = head.find("Content-Length: ");
        if (at == absl::string_view::npos) return;  // Until the end.
        const size_t length = std::stoul(std::string(head.substr(at + 16)));
        if (length > rest.size()) return;
        rest.remove_prefix(length);
      }
    }
    BALLAST_CHECK(finals <=
                  counters_.requests.value() + 1);  // And one refused.
    BALLAST_CHECK(counters_.responses.value() <= counters_.requests.value());
  }

  // The method of the n-th whole request; the transcript has it at the
  // beginning of a line that does not start with a blank.
  static absl::string_view MethodOf(size_t n, absl::string_view transcript) {
    size_t at = 0;
    while (at < transcript.size()) {
      const size_t line_end =
          std::min(transcript.find('\n', at), transcript.size());
      const absl::string_view line = transcript.substr(at, line_end - at);
      if (absl::StrContains(line, " host=") && n-- == 0) {
        return line.substr(0, line.find(' '));
      }
      at = line_end + 1;
    }
    return "";
  }

  // 0 if the last chunk is not there.
  static size_t EndOfChunks(absl::string_view text) {
    size_t at = 0;
    while (true) {
      const size_t line_end = text.find("\r\n", at);
      if (line_end == absl::string_view::npos) return 0;
      const size_t size =
          std::stoul(std::string(text.substr(at, line_end - at)), nullptr, 16);
      if (size == 0) {
        const size_t end = text.find("\r\n\r\n", line_end);
        return end == absl::string_view::npos ? 0 : end + 4;
      }
      at = line_end + 2 + size + 2;
      if (at > text.size()) return 0;
      BALLAST_CHECK(text.substr(at - 2, 2) == "\r\n");
    }
  }

  const uint8_t* data_;
  size_t left_;
  HttpSettings settings_;
  Counters counters_;
  Rig<HttpConnection>* rig_ = nullptr;
  std::string client_text_;  // Still to be given.
  std::string server_text_;
  std::string given_;
  bool upgrades_ = false;
  bool client_ended_ = false;
  bool server_ended_ = false;
  bool gone_ = false;
};

}  // namespace
}  // namespace ballast::l7

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 8192) return 0;
  ballast::l7::Run(data, size).Go();
  return 0;
}
