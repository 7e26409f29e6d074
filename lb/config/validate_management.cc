#include "lb/config/validate_management.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "lb/config/known.h"
#include "lb/config/password_hash.h"
#include "lb/config/validate_service.h"

namespace ballast::config {
namespace {

constexpr uint32_t kIndexMax = std::numeric_limits<int32_t>::max();

bool IsHex(absl::string_view text, size_t digits) {
  return text.size() == digits &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c));
         });
}

void ValidateUser(const std::string& path, const proto::User& user,
                  Problems& problems) {
  if (user.name().empty()) {
    problems.Error(absl::StrCat(path, ".name"), "is required");
  }
  ValidateName(absl::StrCat(path, ".name"), user.name(), problems);
  Known<proto::User::Role>(absl::StrCat(path, ".role"), user.role(),
                           proto::User::ADMIN, problems);
  if (!user.password_hash().empty()) {
    if (const auto hash = ParsePasswordHash(user.password_hash()); !hash.ok()) {
      problems.Error(absl::StrCat(path, ".password_hash"),
                     std::string(hash.status().message()));
    }
  } else if (user.api_keys().empty()) {
    problems.Warn(path, "has neither password_hash nor api_keys: cannot enter");
  }
  if (user.api_keys_size() > kApiKeysMax) {
    problems.Error(absl::StrCat(path, ".api_keys"),
                   absl::StrCat(user.api_keys_size(), " keys, must be at most ",
                                kApiKeysMax));
    return;
  }
  for (int i = 0; i < user.api_keys_size(); ++i) {
    const std::string key = absl::StrCat(path, ".api_keys[", i, "]");
    if (!IsHex(user.api_keys(i).id(), 8)) {
      problems.Error(absl::StrCat(key, ".id"), "must be 8 hex digits");
    }
    if (!IsHex(user.api_keys(i).sha256(), 64)) {
      problems.Error(absl::StrCat(key, ".sha256"), "must be 64 hex digits");
    }
  }
}

void ValidateFile(const std::string& path, const std::string& file,
                  Problems& problems) {
  if (file.empty() || file[0] == '/') return;
  problems.Error(path,
                 absl::StrCat(Quoted(file), ", must be an absolute path"));
}

class Indices {
 public:
  explicit Indices(Problems& problems) : problems_(problems) {}

  void Add(const std::string& path, uint32_t index) {
    if (index == 0) return;
    const std::string field = absl::StrCat(path, ".index");
    problems_.InRange(field, index, 0, kIndexMax);
    const auto [earlier, added] = paths_.emplace(index, path);
    if (added) return;
    problems_.Error(
        field, absl::StrCat(index, ", is already that of ", earlier->second));
  }

 private:
  Problems& problems_;
  std::map<uint32_t, std::string> paths_;
};

}  // namespace

void ValidateManagement(const proto::Config& config, Problems& problems) {
  const proto::Management& from = config.management();
  if (from.users_size() > kUsersMax) {
    problems.Error(
        "management.users",
        absl::StrCat(from.users_size(), " users, must be at most ", kUsersMax));
    return;
  }
  std::map<std::string, std::string> names;
  for (int i = 0; i < from.users_size(); ++i) {
    const std::string path = absl::StrCat("management.users[", i, "]");
    ValidateUser(path, from.users(i), problems);
    const auto [earlier, added] = names.emplace(from.users(i).name(), path);
    if (!added) {
      problems.Error(
          absl::StrCat(path, ".name"),
          absl::StrCat(Quoted(from.users(i).name()),
                       ", is already the name of ", earlier->second));
    }
  }
  if (!from.address().empty()) {
    const auto address = Address::Parse(from.address());
    if (!address.ok() || address->is_multicast()) {
      problems.Error("management.address",
                     absl::StrCat(Quoted(from.address()),
                                  ", must be an address of this host"));
    }
  }
  problems.InRange("management.port", from.port(), 0, 65535);
  ValidateFile("management.certificate_file", from.certificate_file(),
               problems);
  ValidateFile("management.key_file", from.key_file(), problems);
  if (from.certificate_file().empty() != from.key_file().empty()) {
    problems.Error(from.key_file().empty() ? "management.key_file"
                                           : "management.certificate_file",
                   "is required: both files or neither");
  }
  if (from.certificate_file().empty() && from.users_size() > 0 &&
      config.state_dir().empty()) {
    problems.Warn("management.certificate_file",
                  "empty, and no state_dir keeps one: clients see another "
                  "certificate after every start");
  }
}

void ValidateIndices(const proto::Config& config, Problems& problems) {
  Indices services(problems);
  Indices servers(problems);
  const auto add_servers = [&](const std::string& path, const auto& pool) {
    for (int i = 0; i < pool.real_servers_size(); ++i) {
      servers.Add(absl::StrCat(path, ".real_servers[", i, "]"),
                  pool.real_servers(i).index());
    }
  };
  for (int i = 0; i < config.virtual_services_size(); ++i) {
    const proto::VirtualService& service = config.virtual_services(i);
    const std::string path = absl::StrCat("virtual_services[", i, "]");
    services.Add(path, service.index());
    add_servers(path, service);
    for (int k = 0; k < service.l7().sub_services_size(); ++k) {
      const std::string sub = absl::StrCat(path, ".l7.sub_services[", k, "]");
      services.Add(sub, service.l7().sub_services(k).index());
      add_servers(sub, service.l7().sub_services(k));
    }
  }
}

}  // namespace ballast::config
