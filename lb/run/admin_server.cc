#include "lb/run/admin_server.h"

#include <unistd.h>

#include <array>
#include <cstring>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "io/tcp_socket.h"
#include "lb/tls/self_signed.h"

namespace ballast::run {
namespace {

using config::proto::Management;

constexpr uint16_t kPortDefault = 8443;
constexpr size_t kPemMax = 1 << 20;
constexpr absl::Duration kAcceptRetry = absl::Milliseconds(100);

SipKey RandomKey() {
  std::array<uint8_t, sizeof(SipKey)> bytes;
  FillRandom(bytes);
  SipKey key;
  std::memcpy(&key, bytes.data(), bytes.size());
  return key;
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  BALLAST_ASSIGN_OR_RETURN(const auto bytes, ReadFile(path, kPemMax));
  return std::string(bytes.begin(), bytes.end());
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  return WriteFileAtomically(
      path, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Create(
    Options options) {
  ReactorOptions of_reactor = {.buffer_count = 64};
  if (options.force_epoll) {
    of_reactor.backend = ReactorOptions::Backend::kEpoll;
  }
  // Why it is epoll, if it is, the balancer's reactor has said.
  of_reactor.log = [](absl::string_view) {};
  BALLAST_ASSIGN_OR_RETURN(auto reactor, MakeReactor(of_reactor));
  return std::unique_ptr<AdminServer>(
      new AdminServer(std::move(options), std::move(reactor)));
}

AdminServer::AdminServer(Options options, std::unique_ptr<Reactor> reactor)
    : options_(std::move(options)),
      reactor_(std::move(reactor)),
      site_(options_.backend, RandomKey(),
            {.start = absl::Now(),
             .random = [](std::span<uint8_t> bytes) { FillRandom(bytes); }}),
      passwords_([this] { reactor_->Wake(); }) {
  reactor_->fd();  // To be asked for before the first turn.
  reactor_->AwaitWake(&wake_);
}

AdminServer::~AdminServer() {
  ending_ = true;
  retry_.Set(Instant::Never());
  reactor_->Cancel(&accept_);
  reactor_->Cancel(&wake_);
  while (!connections_.empty()) {
    // Those with a reply under way go when it has gone, or the reactor.
    std::vector<AdminConnection*> all;
    for (const auto& [id, connection] : connections_) all.push_back(connection);
    for (AdminConnection* connection : all) connection->Close();
    reactor_->RunOnce(reactor_->Now() + absl::Milliseconds(10));
  }
  while (accept_.pending() || wake_.pending()) {
    reactor_->RunOnce(reactor_->Now() + absl::Milliseconds(10));
  }
}

void AdminServer::Follow() {
  const Management& given = options_.backend->configuration().management();
  Wanted wanted(given.users_size() > 0, given.address(), given.port(),
                given.certificate_file(), given.key_file());
  if (followed_ && wanted == wanted_) return;
  followed_ = true;
  wanted_ = std::move(wanted);
  // A listener is closed when its last completion has come.
  if (accept_.pending()) {
    reactor_->Cancel(&accept_);
  } else {
    Start();
  }
}

void AdminServer::Start() {
  retry_.Set(Instant::Never());
  listener_.Reset();
  at_ = {};
  if (options_.backend->configuration().management().users_size() == 0) return;
  if (const absl::Status status = Listen(); !status.ok()) {
    listener_.Reset();
    at_ = {};
    return options_.log({LogLevel::kError, "management_failed",
                         absl::StrCat("management: ", status.message())});
  }
  listening_ = wanted_;
  options_.log({LogLevel::kInfo,
                "management_listening",
                absl::StrCat("management: HTTPS at ", at_.ToString()),
                {{"address", at_.ToString()}}});
  Accept();
}

absl::Status AdminServer::Listen() {
  const Management& given = options_.backend->configuration().management();
  BALLAST_ASSIGN_OR_RETURN(tls::Certificate certificate, ReadCertificate());
  BALLAST_ASSIGN_OR_RETURN(
      context_,
      tls::ServerContext::Create({.certificates = {std::move(certificate)}}));
  Endpoint at{Address::V4(0x7f000001), kPortDefault};
  if (!given.address().empty()) {
    BALLAST_ASSIGN_OR_RETURN(at.address, Address::Parse(given.address()));
  }
  if (given.port() != 0) at.port = static_cast<uint16_t>(given.port());
  BALLAST_ASSIGN_OR_RETURN(listener_, ListenTcp(at, {.backlog = 64}));
  SetNoDelay(listener_.get());
  at_ = at;
  return absl::OkStatus();
}

absl::StatusOr<tls::Certificate> AdminServer::ReadCertificate() const {
  const auto& config = options_.backend->configuration();
  const Management& given = config.management();
  tls::Certificate certificate;
  const bool kept = given.certificate_file().empty();
  const std::string base = config.state_dir() + "/management";
  const std::string chain = kept ? base + ".crt" : given.certificate_file();
  const std::string key = kept ? base + ".key" : given.key_file();
  if (!kept ||
      (!config.state_dir().empty() && access(key.c_str(), F_OK) == 0)) {
    BALLAST_ASSIGN_OR_RETURN(certificate.chain, ReadText(chain));
    BALLAST_ASSIGN_OR_RETURN(certificate.key, ReadText(key));
    return certificate;
  }
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1"};
  char host[256] = "";
  if (gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0') {
    names.insert(names.begin(), host);
  }
  const auto address = Address::Parse(given.address());
  if (address.ok() && !address->is_unspecified() && !address->is_loopback()) {
    names.push_back(address->ToString());
  }
  BALLAST_ASSIGN_OR_RETURN(certificate,
                           tls::MakeSelfSigned(names, absl::Now()));
  if (config.state_dir().empty()) return certificate;
  BALLAST_RETURN_IF_ERROR(MakeFolder(config.state_dir()));
  BALLAST_RETURN_IF_ERROR(WriteText(chain, certificate.chain));
  BALLAST_RETURN_IF_ERROR(WriteText(key, certificate.key));
  return certificate;
}

void AdminServer::Accept() {
  if (listener_.valid() && !accept_.pending()) {
    reactor_->Accept(&accept_, listener_.get());
  }
}

void AdminServer::OnAccept(Completion completion) {
  if (!completion.more) {
    if (ending_) return;
    if (listening_ != wanted_) return Start();
    retry_.Set(reactor_->Now() + kAcceptRetry);  // For lack of descriptors.
    return;
  }
  UniqueFd client(completion.result);
  if (connections_.size() >= kConnectionsMax) {
    ++stats_.too_many;
    return;
  }
  ++stats_.accepted;
  const uint64_t id = next_id_++;
  connections_[id] =
      new AdminConnection(*reactor_, *this, id, std::move(client),
                          tls::Session::Server(context_), options_.times);
}

void AdminServer::OnRequest(AdminConnection& connection) {
  auto outcome = site_.Handle(absl::Now(), connection.request());
  if (const auto* reply = std::get_if<admin::Reply>(&outcome)) {
    return connection.Answer(*reply);
  }
  auto& check = std::get<admin::PasswordCheck>(outcome);
  if (!passwords_.Ask(connection.id(), check)) {
    ++stats_.unverified;
    return connection.Answer({.status = 503,
                              .content_type = "text/plain",
                              .body = "too many sign in at once\n"});
  }
  checks_[connection.id()] = std::move(check);
}

void AdminServer::OnWake(Completion completion) {
  if (!completion.more) return;
  for (const PasswordThread::Result& result : passwords_.Take()) {
    const auto check = checks_.extract(result.id);
    const auto connection = connections_.find(result.id);
    if (check.empty() || connection == connections_.end()) continue;
    connection->second->Answer(site_.Resume(absl::Now(),
                                            connection->second->request(),
                                            check.mapped(), result.right));
  }
}

void AdminServer::OnGone(AdminConnection& connection) {
  checks_.erase(connection.id());
  connections_.erase(connection.id());
}

}  // namespace ballast::run
