#include "lb/tls/ticket_keys.h"

#include <openssl/aead.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>

#include <algorithm>

#include "io/base/check.h"

namespace ballast::tls {
namespace {

constexpr size_t kNameSize = 16;
constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;
static_assert(kTicketOverhead == kNameSize + kNonceSize + kTagSize);

void Derive(std::span<const uint8_t, 32> secret, absl::string_view info,
            std::span<uint8_t> out) {
  BALLAST_CHECK(HKDF(out.data(), out.size(), EVP_sha256(), secret.data(),
                     secret.size(), nullptr, 0,
                     reinterpret_cast<const uint8_t*>(info.data()),
                     info.size()) == 1);
}

const uint8_t* Bytes(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// A key schedule for one use: a ticket is a thing of a handshake.
class Aead {
 public:
  explicit Aead(const TicketKey& key) {
    BALLAST_CHECK(EVP_AEAD_CTX_init(context_.get(), EVP_aead_aes_256_gcm_siv(),
                                    key.key.data(), key.key.size(), kTagSize,
                                    nullptr) == 1);
  }
  EVP_AEAD_CTX* get() { return context_.get(); }

 private:
  bssl::ScopedEVP_AEAD_CTX context_;
};

}  // namespace

TicketKey MakeTicketKey(std::span<const uint8_t, 32> secret) {
  TicketKey made;
  Derive(secret, "ballast tls ticket name", made.name);
  Derive(secret, "ballast tls ticket key", made.key);
  return made;
}

bool SealTicket(const TicketKey& key, absl::string_view host,
                std::span<const uint8_t, 12> nonce,
                std::span<const uint8_t> session, std::span<uint8_t> out) {
  if (out.size() < session.size() + kTicketOverhead) return false;
  Aead aead(key);
  size_t sealed = 0;
  // First, since `session` may stand where the ticket will.
  BALLAST_CHECK(EVP_AEAD_CTX_seal(aead.get(), out.data(), &sealed, out.size(),
                                  nonce.data(), nonce.size(), session.data(),
                                  session.size(), Bytes(host),
                                  host.size()) == 1);
  std::copy_backward(
      out.begin(), out.begin() + static_cast<ptrdiff_t>(sealed),
      out.begin() + static_cast<ptrdiff_t>(sealed + kNameSize + kNonceSize));
  std::copy(key.name.begin(), key.name.end(), out.begin());
  std::copy(nonce.begin(), nonce.end(), out.begin() + kNameSize);
  return true;
}

std::optional<size_t> OpenTicket(std::span<const TicketKey> keys,
                                 absl::string_view host,
                                 std::span<const uint8_t> ticket,
                                 std::span<uint8_t> out) {
  if (ticket.size() < kTicketOverhead) return std::nullopt;
  const auto name = ticket.first(kNameSize);
  const auto sealed = ticket.subspan(kNameSize + kNonceSize);
  if (out.size() < sealed.size()) return std::nullopt;
  const auto key = std::find_if(keys.begin(), keys.end(), [&](const auto& k) {
    return std::equal(name.begin(), name.end(), k.name.begin());
  });
  if (key == keys.end()) return std::nullopt;
  Aead aead(*key);
  std::array<uint8_t, kNonceSize> nonce;
  std::copy_n(ticket.begin() + kNameSize, kNonceSize, nonce.begin());
  // In place, since `ticket` may stand where the session will.
  std::copy(sealed.begin(), sealed.end(), out.begin());
  size_t size = 0;
  if (EVP_AEAD_CTX_open(aead.get(), out.data(), &size, out.size(), nonce.data(),
                        nonce.size(), out.data(), sealed.size(), Bytes(host),
                        host.size()) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return size;
}

}  // namespace ballast::tls
