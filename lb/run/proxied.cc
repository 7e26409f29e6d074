#include "lb/run/proxied.h"

#include <algorithm>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "lb/l7/http_connection.h"
#include "lb/l7/limited_chooser.h"
#include "lb/l7/orders.h"
#include "lb/l7/send_buffer.h"
#include "lb/l7/stream_connection.h"
#include "lb/run/alarm.h"
#include "lb/run/leg.h"
#include "lb/tls/session.h"

namespace ballast::run {
namespace {

// One connection too many that is to be told so: as long for its request.
constexpr absl::Duration kRefusedTime = absl::Seconds(5);
// After a pause for bandwidth, for what waits in the kernel to be seen before
// the connection counts as silent.
constexpr absl::Duration kResumeTime = absl::Seconds(1);
// With a limit of bandwidth the kernel is to hold about as much as passes in
// such a time, since all of it comes at once: of a client, who may be far away,
// and of a server. At least, and at most, where it is worth the call:
constexpr int64_t kClientBufferMs = 100;
constexpr int64_t kServerBufferMs = 25;
constexpr int64_t kBufferMin = 16 << 10;
constexpr int64_t kBufferMax = 2 << 20;

template <typename Codec>
class ProxiedBy final : public Proxied, private Leg::Owner {
 public:
  ProxiedBy(ProxyContext& context, std::shared_ptr<ProxyService> service,
            UniqueFd fd, const l7::Client& client, l7::Ticket ticket)
      : Proxied(std::move(service)),
        context_(context),
        client_address_(client.address),
        local_(client.local),
        ticket_(std::move(ticket)),
        client_tos_(service_->qos.pass_through ? 0 : service_->qos.tos),
        chooser_(*service_->chooser, context.random),
        codec_(SettingsOf(), client, ChooserOf(), &service_->counted->exchanges,
               context.reactor.Now()),
        client_(new Leg(context.reactor, *this, std::move(fd),
                        service_->tls == nullptr
                            ? nullptr
                            : tls::Session::Server(service_->tls))) {
    context_.list.Add(*this);
    service_->counted->connections.Add(1);
    service_->counted->open.Add(1);
    SetBuffer(client_->fd(), kClientBufferMs);
    if (service_->limits != nullptr && !ticket_.open()) {
      cut_at_ = Now() + kRefusedTime;
    }
  }
  void Start() {
    if constexpr (kHttp) {
      Do(codec_.Tick(Now()));
    } else {
      // With TLS once it is known whom the client asks for.
      Do(service_->tls == nullptr ? codec_.Start(Now()) : codec_.Tick(Now()));
    }
  }

  std::optional<ProxiedView> View() const override {
    if (ended_) return std::nullopt;
    return ProxiedView{.client = client_address_,
                       .local = local_,
                       .server_fd = server_ == nullptr ? -1 : server_->fd(),
                       .connecting = connecting_,
                       .choice = choice_,
                       .last_seen = last_seen_};
  }
  void Drain() override {
    if (ended_) return;
    if constexpr (kHttp) {
      Do(codec_.Drain(Now()));
    } else {
      Do(codec_.Drop(Now()));
    }
  }
  void Leave() override {
    if (!ended_) Do(codec_.Drain(Now()));
  }
  void Cut() override {
    if (!ended_) Do(codec_.ClientGone(Now()));
  }
  void LimitsChanged() override {
    if (ended_) return;
    ticket_.Adopt(Now());
    SetBuffer(client_->fd(), kClientBufferMs);
    if (server_ != nullptr) SetBuffer(server_->fd(), kServerBufferMs);
    if (paused_) Resume();
  }
  void CutServer(uint32_t id) override {
    if (ended_ || server_ == nullptr ||
        static_cast<uint32_t>(choice_.tag) != id) {
      return;
    }
    if (!connecting_) return Do(codec_.Drop(Now()));
    CloseServer();
    Do(codec_.ServerFailed(Now()));
  }

 private:
  using Orders = l7::Orders;
  static constexpr bool kHttp = std::is_same_v<Codec, l7::HttpConnection>;

  ~ProxiedBy() override {
    service_->counted->open.Sub(1);
    context_.list.Remove(*this);
  }

  const auto& SettingsOf() const {
    if constexpr (kHttp) {
      return service_->settings;
    } else {
      return service_->settings.stream;
    }
  }
  auto* ChooserOf() {
    if constexpr (kHttp) {
      return &limited_;
    } else {
      return &chooser_;
    }
  }
  Instant Now() const { return context_.reactor.Now(); }

  // -- Servers ----------------------------------------------------------------
  void Count(uint32_t server) {
    if (server == counted_server_) return;
    counted_server_ = server;
    counters_ = service_->chooser->counters(server);
  }
  l7::ServerCounters::OfThread& OfThread() {
    return counters_->of(service_->chooser->thread());
  }

  // -- Bandwidth --------------------------------------------------------------
  // Neither side is read until the budget allows for what was.
  void Pace(size_t bytes) {
    const Instant resume = ticket_.Charge(Now(), bytes);
    if (resume <= Now()) return;
    paused_ = true;
    resume_ = std::max(resume_, resume);
  }
  void SetBuffer(int fd, int64_t ms) const {
    const uint32_t kbit_s = ticket_.bandwidth();
    const int64_t bytes = std::max(kBufferMin, ms * kbit_s / 8);
    if (kbit_s == 0 || bytes > kBufferMax) return;
    SetReceiveBuffer(fd, static_cast<int>(bytes));
  }
  void Resume() {
    paused_ = false;
    resumed_ = Now();
    SetReading();
    SetAlarm();
  }
  void SetReading() {
    client_->SetReading(read_client_ && !paused_);
    if (server_ != nullptr && !connecting_) {
      server_->SetReading(read_server_ && !paused_);
    }
  }
  void SetAlarm() {
    Instant next = codec_.deadline();
    if (!connecting_) {
      next = paused_ ? resume_ : std::max(next, resumed_ + kResumeTime);
    }
    alarm_.Set(std::min(next, cut_at_));
  }
  void OnAlarm() {
    if (Now() >= cut_at_) return Cut();
    if (paused_ && !connecting_) return Resume();
    Do(codec_.Tick(Now()));
  }

  // -- Leg::Owner -----------------------------------------------------------
  void OnConnected(Leg& leg) override {
    if (&leg == client_) {
      if constexpr (!kHttp) Do(codec_.Start(Now()));
      return;
    }
    connecting_ = false;
    if (counters_ != nullptr) OfThread().connections.Add(1);
    Do(codec_.ServerConnected(Now(), false));
  }
  void OnBytes(Leg& leg, std::span<const uint8_t> bytes) override {
    last_seen_ = Now();
    Pace(bytes.size());
    if (&leg != client_) {
      if (counters_ != nullptr) OfThread().bytes_out.Add(bytes.size());
      return Do(codec_.ServerBytes(Now(), bytes));
    }
    service_->counted->bytes_in.Add(bytes.size());
    Do(codec_.ClientBytes(Now(), bytes));
  }
  void OnEnd(Leg& leg) override {
    Do(&leg == client_ ? codec_.ClientEnd(Now()) : codec_.ServerEnd(Now()));
  }
  void OnGone(Leg& leg) override {
    if (&leg == client_) {
      if (leg.tls() != nullptr) {
        CountFailed(*leg.tls(), service_->counted->client_tls_failed);
      }
      return Do(codec_.ClientGone(Now()));
    }
    if (!connecting_) return Do(codec_.ServerGone(Now()));
    const l7::Outcome outcome = Failed(leg);
    CloseServer();
    Do(codec_.ServerFailed(Now(), outcome));
  }
  void OnSent(Leg& leg, size_t count) override {
    last_seen_ = Now();
    if (&leg == client_ || client_sending_ == &leg) {
      client_sending_ = nullptr;
      service_->counted->bytes_out.Add(count);
      if (!ended_) return Do(codec_.ClientSent(Now(), count));
    } else {
      --server_sends_;
      if (counters_ != nullptr) OfThread().bytes_in.Add(count);
      if (!ended_) return Do(codec_.ServerSent(Now(), count));
    }
    DeleteIfEnded();
  }

  // -- Orders ---------------------------------------------------------------
  void Do(Orders orders) {
    while (Carry(orders)) {
    }
  }
  // True: `orders` holds what that led to at once.
  bool Carry(Orders& orders) {
    if (orders.close_server) CloseServer();
    if (orders.release_server) ReleaseServer();
    if (!orders.to_server.empty()) {
      ++server_sends_;
      server_->Send(orders.to_server);
    }
    if (orders.end_server && server_ != nullptr) server_->EndWriting();
    if (!orders.to_client.empty()) {
      client_sending_ = client_;
      client_->Send(orders.to_client);
    }
    if (orders.end_client) client_->EndWriting();
    if (orders.close_client || orders.reset_client) {
      End(orders);
      return false;
    }
    read_client_ = orders.read_client;
    read_server_ = orders.read_server;
    SetReading();
    if (orders.connect != nullptr) {
      if (auto next = Connect(*orders.connect)) {
        orders = *next;
        return true;
      }
    }
    SetAlarm();
    if constexpr (kHttp) {
      if (codec_.idle()) client_->Trim(l7::SendBuffer::kKeptBytes);
    }
    return false;
  }

  // What the codec has to say to an answer that is there already.
  std::optional<Orders> Connect(const l7::ConnectOrder& order) {
    choice_ = order.choice;
    Count(static_cast<uint32_t>(choice_.tag));
    SetKey(order);
    if (choice_.tos != client_tos_) {
      client_tos_ = choice_.tos;
      (void)SetTos(client_->fd(), client_tos_);
    }
    if (order.may_reuse) {
      server_ = context_.pool.Take(key_);
      if (server_ != nullptr) {
        server_->SetOwner(*this);
        connecting_ = false;
        return codec_.ServerConnected(Now(), true);
      }
    }
    DialOptions options{.tos = choice_.tos};
    if (choice_.source.address != Address()) {
      options.source = choice_.source;
      options.transparent = choice_.source.address == client_address_.address;
    }
    auto fd = MakeTcpSocket(choice_.server, options);
    if (!fd.ok()) {
      service_->counted->connect_errors.Add(1);
      return codec_.ServerFailed(Now());
    }
    SetBuffer(fd->get(), kServerBufferMs);
    server_ =
        new Leg(context_.reactor, *this, *std::move(fd),
                service_->server_tls == nullptr
                    ? nullptr
                    : service_->server_tls->Connect(choice_.server, key_.name));
    connecting_ = true;
    server_->Connect(choice_.server);
    return std::nullopt;
  }

  void SetKey(const l7::ConnectOrder& order) {
    key_.service = service_->id;
    key_.server = choice_.server;
    key_.source = choice_.source;
    key_.tos = choice_.tos;
    if (service_->server_tls == nullptr) return;
    key_.tls = service_->server_tls->settings();
    absl::string_view host = order.host;
    if (!kHttp && client_->tls() != nullptr) {
      host = client_->tls()->info().server_name;
    }
    clients_name_ =
        service_->server_tls->Name(host, choice_.server.address, key_.name);
  }
  static void CountFailed(const tls::Session& session,
                          ProxyService::Counted::TlsFailed& failed) {
    // What ended on an open session was no failure of TLS.
    if (session.error() == tls::SessionError::kNone &&
        session.state() != tls::SessionState::kHandshake) {
      return;
    }
    failed[static_cast<size_t>(session.error())].Add(1);
  }
  // Why `leg` is not connected.
  l7::Outcome Failed(const Leg& leg) {
    if (!leg.reached()) return l7::Outcome::kConnectFailed;
    const tls::Session& session = *leg.tls();
    CountFailed(session, service_->counted->server_tls_failed);
    if (context_.notices != nullptr) {
      context_.notices->Put([&] {
        return absl::StrCat("no TLS with server ", choice_.server.ToString(),
                            " as ", key_.name, ": ",
                            tls::SessionErrorName(session.error()), ": ",
                            session.detail());
      });
    }
    return clients_name_ ? l7::Outcome::kTlsNameFailed
                         : l7::Outcome::kTlsFailed;
  }
  void CloseServer() {
    if (server_ != nullptr) std::exchange(server_, nullptr)->Close();
    connecting_ = false;
  }
  void ReleaseServer() {
    if (server_ == nullptr) return;
    context_.pool.Put(key_, std::exchange(server_, nullptr));
  }
  void End(const Orders& orders) {
    ended_ = true;
    alarm_.Set(Instant::Never());
    CloseServer();
    Leg* const client = std::exchange(client_, nullptr);
    if (orders.reset_client) {
      client->Reset();
    } else if (orders.linger) {
      client->Linger();
    } else {
      client->Close();
    }
    DeleteIfEnded();
  }
  void DeleteIfEnded() {
    if (ended_ && client_sending_ == nullptr && server_sends_ == 0) delete this;
  }

  ProxyContext& context_;
  const Endpoint client_address_;
  const Endpoint local_;
  Instant last_seen_ = context_.reactor.Now();
  l7::Ticket ticket_;
  uint8_t client_tos_;  // Of the packets to it.
  l7::ConnectionChooser chooser_;
  l7::LimitedChooser limited_{chooser_, ticket_};
  Codec codec_;
  Leg* client_;
  Leg* server_ = nullptr;
  bool connecting_ = false;
  l7::ServerChoice choice_;
  ServerPool::Key key_;          // Of it.
  bool clients_name_ = false;    // key_.name is the client's choice.
  uint32_t counted_server_ = 0;  // 0: none, or the sorry server.
  std::shared_ptr<l7::ServerCounters> counters_;  // Its; null: not counted.
  Leg* client_sending_ = nullptr;
  int server_sends_ = 0;  // Of legs that were closed meanwhile, too.
  bool ended_ = false;
  bool paused_ = false;       // For bandwidth, until resume_.
  bool read_client_ = false;  // What the codec wants.
  bool read_server_ = false;
  Instant resume_ = Instant::FromNanos(0);
  Instant resumed_ = Instant::FromNanos(0);
  Instant cut_at_ = Instant::Never();  // One too many, being told so.
  Alarm alarm_{context_.reactor, [this] { OnAlarm(); }};
};

}  // namespace

void SetQos(int listener, const config::QualityOfService& qos) {
  (void)SetTos(listener, qos.tos);
  (void)RememberTos(listener, qos.pass_through);
}

void StartProxied(ProxyContext& context, std::shared_ptr<ProxyService> service,
                  UniqueFd fd, const Endpoint& local) {
  l7::Client client = {SocketAddress::Peer(fd.get()).endpoint(), local,
                       service->tls != nullptr};
  if (service->qos.pass_through) {
    client.tos = ReceivedTos(fd.get()).value_or(0);
    // With IPv6 it would be kept anew of every packet.
    (void)RememberTos(fd.get(), false);
  }
  l7::Ticket ticket;
  if (service->limits != nullptr) {
    const auto refusal = ticket.Open(context.reactor.Now(), service->limits,
                                     client.address.address);
    if (refusal &&
        (!service->http || refusal->excess == config::Excess::kClose)) {
      return;
    }
  }
  if (service->http) {
    (new ProxiedBy<l7::HttpConnection>(
         context, std::move(service), std::move(fd), client, std::move(ticket)))
        ->Start();
  } else {
    (new ProxiedBy<l7::StreamConnection>(
         context, std::move(service), std::move(fd), client, std::move(ticket)))
        ->Start();
  }
}

}  // namespace ballast::run
