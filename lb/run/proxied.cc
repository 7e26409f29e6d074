#include "lb/run/proxied.h"

#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "lb/l7/http_connection.h"
#include "lb/l7/orders.h"
#include "lb/l7/stream_connection.h"
#include "lb/run/alarm.h"
#include "lb/run/leg.h"
#include "lb/tls/session.h"

namespace ballast::run {
namespace {

template <typename Codec>
class ProxiedBy final : public Proxied, private Leg::Owner {
 public:
  ProxiedBy(ProxyContext& context, std::shared_ptr<ProxyService> service,
            UniqueFd fd, const l7::Client& client)
      : Proxied(std::move(service)),
        context_(context),
        client_address_(client.address),
        chooser_(*service_->chooser, context.random),
        codec_(SettingsOf(), client, &chooser_, &service_->counted->exchanges,
               context.reactor.Now()),
        client_(new Leg(context.reactor, *this, std::move(fd),
                        service_->tls == nullptr
                            ? nullptr
                            : tls::Session::Server(service_->tls))) {
    context_.list.Add(*this);
    ++service_->counted->connections;
    ++service_->counted->open;
  }
  void Start() {
    if constexpr (kHttp) {
      Do(codec_.Tick(Now()));
    } else {
      Do(codec_.Start(Now()));
    }
  }

  void Drain() override {
    if (ended_) return;
    if constexpr (kHttp) {
      Do(codec_.Drain(Now()));
    } else {
      Do(codec_.Drop(Now()));
    }
  }
  void Cut() override {
    if (!ended_) Do(codec_.ClientGone(Now()));
  }

 private:
  using Orders = l7::Orders;
  static constexpr bool kHttp = std::is_same_v<Codec, l7::HttpConnection>;

  ~ProxiedBy() override {
    --service_->counted->open;
    context_.list.Remove(*this);
  }

  const auto& SettingsOf() const {
    if constexpr (kHttp) {
      return service_->settings;
    } else {
      return service_->settings.stream;
    }
  }
  Instant Now() const { return context_.reactor.Now(); }

  // -- Leg::Owner -----------------------------------------------------------
  void OnConnected(Leg&) override {
    connecting_ = false;
    Do(codec_.ServerConnected(Now(), false));
  }
  void OnBytes(Leg& leg, std::span<const uint8_t> bytes) override {
    if (&leg != client_) return Do(codec_.ServerBytes(Now(), bytes));
    service_->counted->bytes_in += bytes.size();
    Do(codec_.ClientBytes(Now(), bytes));
  }
  void OnEnd(Leg& leg) override {
    Do(&leg == client_ ? codec_.ClientEnd(Now()) : codec_.ServerEnd(Now()));
  }
  void OnGone(Leg& leg) override {
    if (&leg == client_) return Do(codec_.ClientGone(Now()));
    if (!connecting_) return Do(codec_.ServerGone(Now()));
    CloseServer();
    Do(codec_.ServerFailed(Now()));
  }
  void OnSent(Leg& leg, size_t count) override {
    if (&leg == client_ || client_sending_ == &leg) {
      client_sending_ = nullptr;
      service_->counted->bytes_out += count;
      if (!ended_) return Do(codec_.ClientSent(Now(), count));
    } else {
      --server_sends_;
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
    client_->SetReading(orders.read_client);
    if (server_ != nullptr && !connecting_) {
      server_->SetReading(orders.read_server);
    }
    if (orders.connect != nullptr) {
      if (auto next = Connect(*orders.connect)) {
        orders = *next;
        return true;
      }
    }
    alarm_.Set(codec_.deadline());
    return false;
  }

  // What the codec has to say to an answer that is there already.
  std::optional<Orders> Connect(const l7::ConnectOrder& order) {
    choice_ = order.choice;
    const ServerPool::Key key = KeyOf(choice_);
    if (order.may_reuse) {
      server_ = context_.pool.Take(key);
      if (server_ != nullptr) {
        server_->SetOwner(*this);
        connecting_ = false;
        return codec_.ServerConnected(Now(), true);
      }
    }
    DialOptions options{.tos = service_->tos};
    if (choice_.source.address != Address()) {
      options.source = choice_.source;
      options.transparent = choice_.source.address == client_address_.address;
    }
    auto fd = MakeTcpSocket(choice_.server, options);
    if (!fd.ok()) {
      ++service_->counted->connect_errors;
      return codec_.ServerFailed(Now());
    }
    server_ = new Leg(context_.reactor, *this, *std::move(fd));
    connecting_ = true;
    server_->Connect(choice_.server);
    return std::nullopt;
  }

  ServerPool::Key KeyOf(const l7::ServerChoice& choice) const {
    return {service_->id, choice.server, choice.source};
  }
  void CloseServer() {
    if (server_ != nullptr) std::exchange(server_, nullptr)->Close();
    connecting_ = false;
  }
  void ReleaseServer() {
    if (server_ == nullptr) return;
    context_.pool.Put(KeyOf(choice_), std::exchange(server_, nullptr));
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
  l7::ConnectionChooser chooser_;
  Codec codec_;
  Leg* client_;
  Leg* server_ = nullptr;
  bool connecting_ = false;
  l7::ServerChoice choice_;
  Leg* client_sending_ = nullptr;
  int server_sends_ = 0;  // Of legs that were closed meanwhile, too.
  bool ended_ = false;
  Alarm alarm_{context_.reactor, [this] { Do(codec_.Tick(Now())); }};
};

}  // namespace

void StartProxied(ProxyContext& context, std::shared_ptr<ProxyService> service,
                  UniqueFd fd) {
  SetNoDelay(fd.get());
  if (service->tos != 0) (void)SetTos(fd.get(), service->tos);
  const l7::Client client = {SocketAddress::Peer(fd.get()).endpoint(),
                             SocketAddress::Local(fd.get()).endpoint(),
                             service->tls != nullptr};
  if (service->http) {
    (new ProxiedBy<l7::HttpConnection>(context, std::move(service),
                                       std::move(fd), client))
        ->Start();
  } else {
    (new ProxiedBy<l7::StreamConnection>(context, std::move(service),
                                         std::move(fd), client))
        ->Start();
  }
}

}  // namespace ballast::run
