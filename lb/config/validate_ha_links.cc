#include "lb/config/validate_ha_links.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/config/validate_network.h"
#include "lb/config/validate_service.h"

namespace ballast::config {
namespace {

// A host's address in its network: not the network's own name, nor its
// broadcast address. /31 and /32 have neither (RFC 3021); of IPv6 the first is
// the routers' anycast address (RFC 4291), a host's as well as not.
bool IsHostOf(const Prefix& network, const Address& address) {
  if (!address.is_v4() || network.length >= 31) return true;
  const uint32_t mask = 0xffffffffu >> network.length;
  const uint32_t host = address.v4_bits() & mask;
  return host != 0 && host != mask;
}

void ValidatePartner(const std::string& path, const std::string& text,
                     bool required, bool own_known, HaLink& link,
                     Problems& problems) {
  if (text.empty()) {
    if (required) problems.Error(path, "is required");
    return;
  }
  const auto host =
      ValidateHost(path, text, /*link_local_allowed=*/true, problems);
  if (!host) return;
  link.partner = *host;
  if (!own_known) return;
  if (host->is_v4() != link.own.address.is_v4()) {
    problems.Error(path,
                   absl::StrCat(host->ToString(), ", must be IPv",
                                link.own.address.is_v4() ? 4 : 6,
                                " like own_address ", link.own.ToString()));
  } else if (*host == link.own.address) {
    problems.Error(path,
                   absl::StrCat(host->ToString(), ", must not be own_address"));
  } else if (!link.own.Contains(*host) || !IsHostOf(link.own, *host)) {
    problems.Error(path, absl::StrCat(host->ToString(),
                                      ", must be a host in the network of "
                                      "own_address ",
                                      link.own.ToString()));
  }
}

void RefuseRepeatedLinks(const std::vector<HaLink>& links, Problems& problems) {
  for (size_t i = 0; i < links.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!links[i].interface.empty() &&
          links[i].interface == links[j].interface) {
        problems.Error(absl::StrCat(LinkPath(i), ".interface"),
                       absl::StrCat(Quoted(links[i].interface), ", is already ",
                                    LinkPath(j)));
      }
      const Address& own = links[i].own.address;
      // Each link has a link-local network of its own.
      if (own.is_unspecified() || (!own.is_v4() && own.is_link_local())) {
        continue;
      }
      if (own == links[j].own.address) {
        problems.Error(
            absl::StrCat(LinkPath(i), ".own_address"),
            absl::StrCat(own.ToString(), ", is already that of ", LinkPath(j)));
      }
    }
  }
}

}  // namespace

bool ValidateOwnAddress(const std::string& path, const std::string& text,
                        bool required, Prefix& own, Problems& problems) {
  if (text.empty()) {
    if (required) problems.Error(path, "is required");
    return false;
  }
  const auto prefix = Prefix::Parse(text);
  if (!prefix.ok() || text.find('/') == std::string::npos) {
    problems.Error(path, absl::StrCat(Quoted(text),
                                      ", must be an address and the length of "
                                      "its prefix, \"192.0.2.2/24\""));
    return false;
  }
  if (!ValidateHost(path, prefix->address.ToString(),
                    /*link_local_allowed=*/true, problems)) {
    return false;
  }
  if (!IsHostOf(*prefix, prefix->address)) {
    problems.Error(path, absl::StrCat(Quoted(text),
                                      ", must be a host's address, not its "
                                      "network's or broadcast"));
    return false;
  }
  own = *prefix;
  return true;
}

std::string LinkPath(size_t index) {
  return absl::StrCat("ha.links[", index, "]");
}

void ValidateHaLinks(const proto::HighAvailability& from, HighAvailability& ha,
                     Problems& problems) {
  const bool pair = ha.mode != ha::Mode::kNone;
  if (from.links_size() > kHaLinksMax || (pair && from.links().empty())) {
    problems.Error("ha.links",
                   absl::StrCat(from.links_size(), " of them, must be 1 to ",
                                kHaLinksMax));
    return;
  }
  for (int i = 0; i < from.links_size(); ++i) {
    const std::string path = LinkPath(i);
    const proto::HaLink& given = from.links(i);
    HaLink& link = ha.links.emplace_back();
    link.interface = given.interface();
    ValidateLinkName(absl::StrCat(path, ".interface"), given.interface(),
                     problems);
    const bool own_known =
        ValidateOwnAddress(absl::StrCat(path, ".own_address"),
                           given.own_address(), pair, link.own, problems);
    ValidatePartner(absl::StrCat(path, ".partner_address"),
                    given.partner_address(), pair, own_known, link, problems);
    link.check = given.has_check() ? given.check() : i == 0;
  }
  RefuseRepeatedLinks(ha.links, problems);
  const auto checks = [](const HaLink& link) { return link.check; };
  if (!ha.links.empty() &&
      std::none_of(ha.links.begin(), ha.links.end(), checks)) {
    problems.Error("ha.links",
                   "none has check: at least one must be used for HA checks");
  }
}

// The index of the link named; of the first that is checked, if none is.
size_t ValidateLinkChoice(const char* path, const std::string& name,
                          const std::vector<HaLink>& links,
                          Problems& problems) {
  for (size_t i = 0; i < links.size(); ++i) {
    if (name.empty() ? links[i].check : links[i].interface == name) return i;
  }
  if (!name.empty()) {
    problems.Error(path,
                   absl::StrCat(Quoted(name), ", must be one of ha.links"));
  }
  return 0;
}

void ValidateSharedAddress(const proto::HighAvailability& from,
                           HighAvailability& ha, Problems& problems) {
  constexpr char kPath[] = "ha.shared_address";
  if (from.shared_address().empty()) return;
  const auto host = ValidateHost(kPath, from.shared_address(),
                                 /*link_local_allowed=*/false, problems);
  if (!host) return;
  ha.shared = *host;
  bool connected = false;
  bool known = false;
  for (size_t i = 0; i < ha.links.size(); ++i) {
    const HaLink& link = ha.links[i];
    if (*host == link.own.address || *host == link.partner) {
      problems.Error(kPath,
                     absl::StrCat(host->ToString(), ", must not be the ",
                                  *host == link.partner ? "partner" : "own",
                                  "_address of ", LinkPath(i)));
      return;
    }
    if (link.own.address.is_unspecified()) continue;
    known = true;
    connected |= link.own.address.is_v4() == host->is_v4() &&
                 link.own.Contains(*host) && IsHostOf(link.own, *host);
  }
  if (known && !connected) {
    problems.Error(kPath, absl::StrCat(host->ToString(),
                                       ", must be a host in the network of one "
                                       "of ha.links"));
  }
}

}  // namespace ballast::config
