// addapikey, listapikeys, delapikey. A key is told once, when it is made: the
// configuration has but its hash, and the first digits as its name.
#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/admin/command.h"
#include "lb/admin/password.h"

namespace ballast::admin {
namespace {

using config::proto::User;

constexpr int kKeysMax = 16;
constexpr size_t kIdSize = 8;

// Whose keys the call is about: another user's only for those who may do
// everything.
absl::StatusOr<User*> FindOwner(Context& context) {
  const Identity& who = context.call().who;
  const auto given = context.parameters().Find("user");
  const absl::string_view name =
      given.has_value() && !given->empty() ? *given : who.user;
  if (name != who.user && who.role != User::ADMIN) {
    return absl::PermissionDeniedError("the keys of another user");
  }
  for (User& user : *context.config().mutable_management()->mutable_users()) {
    if (user.name() == name) return &user;
  }
  return absl::NotFoundError("Unknown user");
}

}  // namespace

absl::StatusOr<Document> AddKeyCommand(Context& context) {
  BALLAST_ASSIGN_OR_RETURN(User * user, FindOwner(context));
  std::array<uint8_t, kApiKeySize> bytes;
  context.options().random(bytes);
  const std::string key = absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  auto& keys = *user->mutable_api_keys();
  while (keys.size() >= kKeysMax) keys.erase(keys.begin());
  auto& added = *keys.Add();
  added.set_id(key.substr(0, kIdSize));
  added.set_sha256(Sha256Hex(key));
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Of({Node::Text("apikey", key)});
}

absl::StatusOr<Document> ListKeysCommand(Context& context) {
  BALLAST_ASSIGN_OR_RETURN(const User* user, FindOwner(context));
  Node list = Node::List("apikey");
  for (const auto& key : user->api_keys()) {
    list.AddElement({Node::Text("id", key.id())});
  }
  return Document::Of({std::move(list)});
}

// By the key itself or by its first digits.
absl::StatusOr<Document> DeleteKeyCommand(Context& context) {
  BALLAST_ASSIGN_OR_RETURN(const auto key,
                           Required(context.parameters(), "key"));
  BALLAST_ASSIGN_OR_RETURN(User * user, FindOwner(context));
  const std::string hash = Sha256Hex(key);
  auto& keys = *user->mutable_api_keys();
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const auto& one) {
        return EqualSecrets(one.sha256(), hash) ||
               absl::EqualsIgnoreCase(one.id(), key);
      });
  if (found == keys.end()) return absl::NotFoundError("Unknown key");
  keys.erase(found);
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Done();
}

}  // namespace ballast::admin
