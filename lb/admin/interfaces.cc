#include "lb/admin/interfaces.h"

#include <algorithm>

namespace ballast::admin {

using config::proto::Config;

std::vector<NumberedInterface> InterfacesOf(const Config& config) {
  std::vector<NumberedInterface> all;
  for (const auto& interface : config.interfaces()) {
    all.push_back({.name = interface.name()});
  }
  for (int i = 0; i < config.ha().links_size(); ++i) {
    const std::string& name = config.ha().links(i).interface();
    const auto known =
        std::find_if(all.begin(), all.end(),
                     [&](const auto& one) { return one.name == name; });
    if (known != all.end()) {
      known->link = i;
    } else {
      all.push_back({.name = name, .link = i});
    }
  }
  return all;
}

bool IsChecked(const Config& config, int link) {
  const auto& given = config.ha().links(link);
  return given.has_check() ? given.check() : link == 0;
}

}  // namespace ballast::admin
