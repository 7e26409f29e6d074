// Which of several certificates is for the host a client names (SNI).
//
// A name is a host's, or "*.rest", which stands for exactly one label before
// the rest (RFC 6125 §6.4.3). The host's own name comes before a wildcard; of
// two certificates with one name the first counts.
//
// Cost     Find: one or two look-ups.
// Threads  any may read.
#ifndef LB_TLS_HOST_NAMES_H_
#define LB_TLS_HOST_NAMES_H_

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace ballast::tls {

class HostNames {
 public:
  // Lower case.
  void Add(absl::string_view name, size_t certificate) {
    certificates_.emplace(name, certificate);
  }

  // 0, the default, for a host that none is for. `host` is in lower case.
  size_t Find(absl::string_view host) const {
    if (const auto exact = certificates_.find(host);
        exact != certificates_.end() && !host.empty() && host[0] != '*') {
      return exact->second;
    }
    const size_t dot = host.find('.');
    if (dot == absl::string_view::npos || dot == 0) return 0;
    const auto wildcard =
        certificates_.find("*" + std::string(host.substr(dot)));
    return wildcard == certificates_.end() ? 0 : wildcard->second;
  }

 private:
  absl::flat_hash_map<std::string, size_t> certificates_;
};

}  // namespace ballast::tls

#endif  // LB_TLS_HOST_NAMES_H_
