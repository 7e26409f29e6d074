// What makes a virtual service a proxy (layer 7), as a value: the
// configuration's L7 with every default filled in. Part of Model (model.h).
//
// Source  LoadMaster behaviour, virtual service options; the vendor's REST
//         names and the meaning of each stand in ballast.proto.
#ifndef LB_CONFIG_L7_MODEL_H_
#define LB_CONFIG_L7_MODEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/base/address.h"
#include "lb/config/server_pool.h"

namespace ballast::config {

enum class L7Type : uint8_t { kHttp, kGeneric };

// The ToS octet as it stands on the wire, or the client's own.
struct QualityOfService {
  uint8_t tos = 0;
  bool pass_through = false;

  friend bool operator==(const QualityOfService&,
                         const QualityOfService&) = default;
};

enum class ClientHeader : uint8_t { kNone, kXForwardedFor, kForwarded };

// PEM: the text, or the file to read it from; one of each two is empty.
struct Certificate {
  std::string chain;
  std::string chain_file;
  std::string key;
  std::string key_file;
  std::string ocsp_file;  // Empty: none.

  friend bool operator==(const Certificate&, const Certificate&) = default;
};

enum class ClientCertificates : uint8_t { kNotAsked, kAsked, kRequired };

struct TlsServer {
  std::vector<Certificate> certificates;  // Not empty; the first by default.
  bool only_tls13 = false;
  ClientCertificates client_certificates = ClientCertificates::kNotAsked;
  std::string client_ca_file;

  friend bool operator==(const TlsServer&, const TlsServer&) = default;
};

struct Reencrypt {
  std::string ca_file = "/etc/ssl/certs/ca-certificates.crt";
  std::string server_name;  // Empty: the request's host, or the address.
  bool verify = true;

  friend bool operator==(const Reencrypt&, const Reencrypt&) = default;
};

// What an empty field says nothing of. All that is set must hold.
struct RequestMatch {
  std::string host;  // Lower case; "*.rest" for one or more labels before it.
  std::string path_prefix;
  std::string method;
  std::string header;
  std::optional<std::string> header_value;

  friend bool operator==(const RequestMatch&, const RequestMatch&) = default;
};

struct SubService : ServerPool {
  std::string name;
  std::vector<RequestMatch> matches;  // Empty: every request.
  uint32_t weight = 1000;
  uint32_t connection_limit = 0;
  bool enabled = true;
  bool critical = false;
  QualityOfService qos;

  friend bool operator==(const SubService&, const SubService&) = default;
};

enum class Excess : uint8_t { kClose, kStatus429, kStatus503 };

// 0: no limit.
struct TrafficLimit {
  uint32_t connections = 0;
  uint32_t connections_per_second = 0;
  uint32_t requests_per_second = 0;
  uint32_t bandwidth_kbit_s = 0;  // Both ways together.

  friend bool operator==(const TrafficLimit&, const TrafficLimit&) = default;
};

struct TrafficLimits {
  TrafficLimit all;
  TrafficLimit client;  // Each address by itself.
  Excess excess = Excess::kClose;

  friend bool operator==(const TrafficLimits&, const TrafficLimits&) = default;
};

struct L7Service {
  L7Type type = L7Type::kHttp;
  bool host_address = false;  // Not a floating one.
  std::optional<TlsServer> tls;
  std::optional<Reencrypt> reencrypt;
  // In effect: the global settings and `reencrypt` are folded in.
  bool transparent = false;
  bool subnet_originating = true;
  std::vector<Address> alternate_sources;
  bool server_initiating = false;
  QualityOfService qos;
  std::vector<SubService> sub_services;  // Then the service has no servers.
  int error_code = 503;                  // HTTP's answer without a server.
  std::string error_url;
  std::string error_page_file;
  ClientHeader client_header = ClientHeader::kNone;
  bool via = false;
  TrafficLimits limits;

  friend bool operator==(const L7Service&, const L7Service&) = default;
};

enum class AlwaysPersist : uint8_t {
  kFirstRequest,
  kEveryRequest,
  kEveryChange,
};

using L7Secret = std::array<uint8_t, 32>;

// What all services of layer 7 share.
struct L7Settings {
  bool real_servers_are_local = false;
  AlwaysPersist always_persist = AlwaysPersist::kFirstRequest;
  bool share_sub_service_persistence = false;
  bool add_port_to_active_cookie = false;
  size_t head_bytes_max = 32768;
  size_t header_fields_max = 128;
  size_t idle_server_connections = 64;
  std::vector<L7Secret> secrets;  // Empty: the caller keeps one in state_dir.
  TrafficLimits limits;

  friend bool operator==(const L7Settings&, const L7Settings&) = default;
};

}  // namespace ballast::config

#endif  // LB_CONFIG_L7_MODEL_H_
