// An owner in memory for tests: carries out orders, and writes down what a real
// one would have done. Sends complete at once unless told otherwise.
#ifndef LB_L7_RIG_H_
#define LB_L7_RIG_H_

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "lb/l7/chooser.h"
#include "lb/l7/orders.h"

namespace ballast::l7 {

inline std::span<const uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline const Client kClient{
    .address = {Address::V4(0xc0000201), 1234},  // 192.0.2.1
    .local = {Address::V4(0xc6336401), 80},
};

// 10.0.0.1:80, 10.0.0.2:80, ... by turns, or what `script` says.
class FakeChooser : public Chooser, public StreamChooser {
 public:
  using Answer = std::variant<ServerChoice, Denial>;

  Answer Choose(Instant, const Client&, uint32_t attempt,
                http::RequestHead* request) override {
    asked.push_back(absl::StrCat(request->method_text(), " ", request->target(),
                                 " ", attempt));
    return Next();
  }
  bool OnResponse(Instant, const Client&, const ServerChoice&,
                  const http::RequestHead& request,
                  http::ResponseHead* response) override {
    if (!set_cookie.empty()) response->fields.Add("Set-Cookie", set_cookie);
    responses.push_back(absl::StrCat(request.target(), " ", response->status));
    return passes;
  }
  bool ReadClient(absl::string_view) override {
    BALLAST_CHECK(client_awaited > 0);
    return --client_awaited > 0;
  }
  bool ReadServer(Instant, const ServerChoice& choice,
                  absl::string_view bytes) override {
    BALLAST_CHECK(server_awaited > 0);
    server_read.push_back(absl::StrCat(choice.tag, " ", bytes));
    return --server_awaited > 0;
  }
  Answer Choose(Instant, const Client&, uint32_t attempt,
                absl::string_view first_bytes) override {
    asked.push_back(absl::StrCat("[", first_bytes, "] ", attempt));
    return Next();
  }
  void OnEnd(Instant, const ServerChoice& choice, Outcome outcome) override {
    BALLAST_CHECK(open > 0);
    --open;
    ended.push_back(absl::StrCat(choice.tag, " ", OutcomeName(outcome)));
  }

  std::deque<Answer> script;
  std::string set_cookie;
  bool passes = true;  // Responses.
  std::vector<std::string> asked;
  std::vector<std::string> responses;
  std::vector<std::string> ended;
  int open = 0;
  // Pieces that a stream's chooser would see.
  int client_awaited = 1;
  int server_awaited = 1;
  std::vector<std::string> server_read;

 private:
  Answer Next() {
    Answer answer = ServerChoice{
        .server = {Address::V4(0x0a000001 + turn_), 80}, .tag = turn_ + 1};
    ++turn_;
    if (!script.empty()) {
      answer = script.front();
      script.pop_front();
    }
    if (std::holds_alternative<ServerChoice>(answer)) ++open;
    return answer;
  }

  uint32_t turn_ = 0;
};

template <typename Connection>
class Rig {
 public:
  template <typename Settings, typename... Extra>
  explicit Rig(const Settings& settings, Extra*... extra)
      : connection(settings, kClient, &chooser, extra..., now) {}

  // Events. Time passes only by Pass().
  void Client(absl::string_view bytes) {
    Do(connection.ClientBytes(now, Bytes(bytes)));
  }
  void Server(absl::string_view bytes) {
    BALLAST_CHECK(server_up);
    Do(connection.ServerBytes(now, Bytes(bytes)));
  }
  void Connected(bool reused = false) {
    BALLAST_CHECK(connecting);
    connecting = false;
    server_up = true;
    Do(connection.ServerConnected(now, reused));
  }
  void Failed(Outcome outcome = Outcome::kConnectFailed) {
    BALLAST_CHECK(connecting);
    connecting = false;
    Do(connection.ServerFailed(now, outcome));
  }
  void ServerEnd() { Do(connection.ServerEnd(now)); }
  void ServerGone() { Do(connection.ServerGone(now)); }
  void ClientEnd() { Do(connection.ClientEnd(now)); }
  void ClientGone() { Do(connection.ClientGone(now)); }
  void Pass(absl::Duration time) {
    now += time;
    Do(connection.Tick(now));
  }
  // Reports a send that was held back.
  void FinishClientSend() {
    const size_t size = client_send;
    client_send = 0;
    client_sending = false;
    Do(connection.ClientSent(now, size));
  }
  void FinishServerSend() {
    const size_t size = server_send;
    server_send = 0;
    server_sending = false;
    Do(connection.ServerSent(now, size));
  }

  void Do(const Orders& orders) {
    if (orders.close_server) {
      if (server_up || connecting) log += "close-server ";
      server_up = connecting = false;
    }
    if (orders.release_server) {
      BALLAST_CHECK(server_up && !server_sending);
      server_up = false;
      log += "release ";
    }
    if (orders.connect != nullptr) {
      BALLAST_CHECK(!server_up && !connecting && !server_sending);
      connecting = true;
      may_reuse = orders.connect->may_reuse;
      host = std::string(orders.connect->host);
      absl::StrAppend(&log, "connect:", orders.connect->choice.tag, " ");
    }
    if (!orders.to_server.empty()) {
      BALLAST_CHECK(server_up && !server_sending && !server_ended);
      server_sending = true;
      server_send = orders.to_server.size();
      to_server.append(orders.to_server.begin(), orders.to_server.end());
    }
    if (orders.end_server) {
      BALLAST_CHECK(server_up && !server_sending);
      server_ended = true;
      log += "end-server ";
    }
    if (!orders.to_client.empty()) {
      BALLAST_CHECK(!client_closed && !client_sending && !client_ended);
      client_sending = true;
      client_send = orders.to_client.size();
      to_client.append(orders.to_client.begin(), orders.to_client.end());
    }
    if (orders.end_client) {
      BALLAST_CHECK(!client_sending);
      client_ended = true;
      log += "end-client ";
    }
    if (orders.close_client || orders.reset_client) {
      BALLAST_CHECK(!client_closed);
      client_closed = true;
      log += orders.reset_client ? "reset-client "
             : orders.linger     ? "linger-close "
                                 : "close-client ";
    }
    read_client = orders.read_client;
    read_server = orders.read_server;
    if (client_sending && !hold_client) FinishClientSend();
    if (server_sending && !hold_server) FinishServerSend();
  }

  std::string TakeLog() { return std::exchange(log, ""); }
  std::string TakeClient() { return std::exchange(to_client, ""); }
  std::string TakeServer() { return std::exchange(to_server, ""); }

  Instant now = Instant::FromNanos(1'000'000'000'000);
  FakeChooser chooser;
  Connection connection;
  std::string log;
  std::string to_client;
  std::string to_server;
  bool connecting = false;
  bool may_reuse = false;
  std::string host;  // Of the last connect.
  bool server_up = false;
  bool server_ended = false;  // By us.
  bool client_ended = false;
  bool client_closed = false;
  bool read_client = true;
  bool read_server = false;
  bool hold_client = false;  // Sends do not complete by themselves.
  bool hold_server = false;
  bool client_sending = false;
  bool server_sending = false;
  size_t client_send = 0;
  size_t server_send = 0;
};

}  // namespace ballast::l7

#endif  // LB_L7_RIG_H_
