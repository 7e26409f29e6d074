#include "lb/admin/authenticator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lb/admin/password.h"

namespace ballast::admin {
namespace {

using config::proto::Management;
using config::proto::User;

// Nobody's: what an unknown user's password is held against.
constexpr char kNobody[] =
    "$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

// One host's: IPv6 by /64.
Address HostOf(const Address& peer) {
  if (peer.is_v4()) return peer;
  std::array<uint8_t, 16> bytes{};
  const auto wire = peer.wire();
  std::copy_n(wire.begin(), 8, bytes.begin());
  return Address::FromBytes(bytes);
}

// As much of it as is kept.
std::string NameOf(const Credentials& credentials) {
  return credentials.user.substr(0, 128);
}

const User* FindUser(const Management& management, absl::string_view name) {
  for (const User& user : management.users()) {
    if (user.name() == name) return &user;
  }
  return nullptr;
}

}  // namespace

bool ReadAuthorization(absl::string_view authorization,
                       Credentials* credentials) {
  if (authorization.size() > 4096) return false;
  if (absl::StartsWithIgnoreCase(authorization, "bearer ")) {
    const auto key = absl::StripAsciiWhitespace(authorization.substr(7));
    if (key.empty()) return false;
    if (credentials->api_key.empty()) credentials->api_key = std::string(key);
    return true;
  }
  if (!absl::StartsWithIgnoreCase(authorization, "basic ")) return false;
  authorization.remove_prefix(6);
  std::string text;
  if (!absl::Base64Unescape(authorization, &text)) return false;
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return false;
  credentials->user = text.substr(0, colon);
  credentials->password = text.substr(colon + 1);
  return true;
}

Authenticator::Decision Authenticator::Decide(absl::Time now,
                                              const Address& peer,
                                              const Credentials& credentials,
                                              const Management& management) {
  const bool by_key = !credentials.api_key.empty();
  const Guesser guesser(HostOf(peer), by_key ? "" : NameOf(credentials));
  // Not even what is right is heard, else the wait would be none to a guesser.
  if (Damped(now, guesser)) return {};
  if (by_key) {
    const std::string hash = Sha256Hex(credentials.api_key);
    for (const User& user : management.users()) {
      for (const auto& key : user.api_keys()) {
        if (!EqualSecrets(hash, key.sha256())) continue;
        return Grant(guesser, user, absl::StrCat("api key ", key.id()));
      }
    }
    return Refuse(now, guesser);
  }
  // Not a guess: clients ask without at first.
  if (credentials.user.empty() && credentials.password.empty()) {
    ++stats_.refused;
    return {};
  }
  const User* user = FindUser(management, credentials.user);
  const std::string hash = user == nullptr || user->password_hash().empty()
                               ? kNobody
                               : user->password_hash();
  while (!remembered_.empty() && remembered_.front().until <= now) {
    remembered_.pop_front();
  }
  const Digest digest = DigestOf(credentials, hash);
  for (const Remembered& known : remembered_) {
    if (known.digest == digest && user != nullptr) {
      return Grant(guesser, *user);
    }
  }
  return {.verdict = Verdict::kVerify, .hash = hash};
}

Authenticator::Decision Authenticator::Verified(
    absl::Time now, const Address& peer, const Credentials& credentials,
    const Management& management, absl::string_view hash, bool right) {
  const Guesser guesser(HostOf(peer), NameOf(credentials));
  // Many may have been asked at once.
  if (Damped(now, guesser)) return {};
  const User* user = FindUser(management, credentials.user);
  // A hash that was changed meanwhile counts as wrong.
  if (!right || user == nullptr || user->password_hash() != hash) {
    return Refuse(now, guesser);
  }
  if (remembered_.size() >= kRememberedMax) remembered_.pop_front();
  remembered_.push_back({DigestOf(credentials, hash), now + kRemembered});
  return Grant(guesser, *user);
}

Authenticator::Digest Authenticator::DigestOf(const Credentials& credentials,
                                              absl::string_view hash) const {
  const std::string text = absl::StrCat(
      credentials.user.size(), ":", credentials.user,
      credentials.password.size(), ":", credentials.password, hash);
  return SipHash24Of128(
      key_, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

bool Authenticator::Damped(absl::Time now, const Guesser& guesser) {
  const auto known = failures_.find(guesser);
  if (known == failures_.end()) return false;
  if (now - known->second.last >= kForgotten) {
    failures_.erase(known);
    return false;
  }
  if (now >= known->second.free) return false;
  ++stats_.refused;
  ++stats_.damped;
  return true;
}

Authenticator::Decision Authenticator::Refuse(absl::Time now,
                                              const Guesser& guesser) {
  ++stats_.refused;
  if (failures_.size() >= kFailuresMax && !failures_.contains(guesser)) {
    failures_.erase(std::min_element(failures_.begin(), failures_.end(),
                                     [](const auto& a, const auto& b) {
                                       return a.second.last < b.second.last;
                                     }));
  }
  Failures& failures = failures_[guesser];
  ++failures.count;
  failures.last = now;
  if (failures.count > kFreeFailures) {
    const int doublings = std::min(failures.count - kFreeFailures - 1, 10);
    failures.free = now + std::min(kWaitMax, absl::Seconds(1 << doublings));
  }
  return {};
}

Authenticator::Decision Authenticator::Grant(const Guesser& guesser,
                                             const User& user, std::string by) {
  ++stats_.granted;
  failures_.erase(guesser);
  return {
      .verdict = Verdict::kGranted,
      .who = {.user = user.name(), .role = user.role(), .by = std::move(by)}};
}

}  // namespace ballast::admin
