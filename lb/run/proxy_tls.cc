#include "lb/run/proxy_tls.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "io/file.h"

namespace ballast::run {
namespace {

constexpr size_t kPemBytesMax = 4 << 20;  // The system's authorities: 230 KB.

static_assert(static_cast<int>(config::ClientCertificates::kRequired) ==
              static_cast<int>(tls::ClientCertificates::kRequired));

// The text, or the file's contents.
absl::Status ReadPem(const std::string& text, const std::string& file,
                     std::string& pem) {
  pem = text;
  if (file.empty()) return absl::OkStatus();
  BALLAST_ASSIGN_OR_RETURN(const auto bytes, ReadFile(file, kPemBytesMax));
  pem.assign(bytes.begin(), bytes.end());
  return absl::OkStatus();
}

std::string NameOf(const config::VirtualService& service) {
  return Endpoint{service.address, service.port}.ToString();
}

absl::Status Of(const config::VirtualService& service, absl::string_view field,
                const absl::Status& status) {
  return absl::Status(
      status.code(),
      absl::StrCat(field, " of ", NameOf(service), ": ", status.message()));
}

absl::StatusOr<tls::ServerOptions> ServerOptionsOf(
    const config::VirtualService& service) {
  const config::TlsServer& from = *service.l7->tls;
  tls::ServerOptions options;
  for (const config::Certificate& given : from.certificates) {
    tls::Certificate& certificate = options.certificates.emplace_back();
    BALLAST_RETURN_IF_ERROR(
        ReadPem(given.chain, given.chain_file, certificate.chain));
    BALLAST_RETURN_IF_ERROR(
        ReadPem(given.key, given.key_file, certificate.key));
    BALLAST_RETURN_IF_ERROR(ReadPem("", given.ocsp_file, certificate.ocsp));
  }
  if (from.only_tls13) options.version_min = tls::Version::kTls13;
  if (service.l7->type == config::L7Type::kHttp) options.alpn = {"http/1.1"};
  options.client_certificates =
      static_cast<tls::ClientCertificates>(from.client_certificates);
  BALLAST_RETURN_IF_ERROR(ReadPem("", from.client_ca_file, options.client_ca));
  options.session_scope = NameOf(service);
  return options;
}

absl::StatusOr<tls::ClientOptions> ClientOptionsOf(
    const config::VirtualService& service) {
  const config::Reencrypt& from = *service.l7->reencrypt;
  tls::ClientOptions options;
  options.verify = from.verify;
  if (from.verify) {
    BALLAST_RETURN_IF_ERROR(ReadPem("", from.ca_file, options.ca));
  }
  if (service.l7->type == config::L7Type::kHttp) options.alpn = {"http/1.1"};
  return options;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const tls::ServerContext>> MakeClientsTls(
    const config::VirtualService& service,
    const std::vector<tls::TicketKey>& ticket_keys) {
  auto options = ServerOptionsOf(service);
  if (!options.ok()) return Of(service, "l7.tls", options.status());
  options->ticket_keys = ticket_keys;
  auto context = tls::ServerContext::Create(*options);
  if (!context.ok()) return Of(service, "l7.tls", context.status());
  return context;
}

absl::StatusOr<std::shared_ptr<const ServersTls>> ServersTls::Make(
    const config::VirtualService& service,
    std::shared_ptr<const ServersTls> before, uint64_t settings) {
  auto options = ClientOptionsOf(service);
  if (!options.ok()) return Of(service, "l7.reencrypt", options.status());
  const std::string& name = service.l7->reencrypt->server_name;
  if (before != nullptr && before->options_ == *options &&
      before->server_name_ == name) {
    return before;
  }
  auto context = tls::ClientContext::Create(*options);
  if (!context.ok()) return Of(service, "l7.reencrypt", context.status());
  auto made = std::make_shared<ServersTls>();
  made->options_ = *std::move(options);
  made->server_name_ = name;
  made->context_ = *std::move(context);
  made->settings_ = settings;
  return std::shared_ptr<const ServersTls>(std::move(made));
}

}  // namespace ballast::run
