#include "lb/tls/hello.h"

#include <algorithm>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::tls {
namespace {

constexpr uint8_t kHandshake = 22;
constexpr uint8_t kAlert = 21;
constexpr size_t kRecordMax = 16384;
constexpr size_t kRandomSize = 32;
constexpr size_t kNameMax = 255;

enum Extension : uint16_t {
  kServerName = 0,
  kAlpn = 16,
  kSessionTicket = 35,
  kSupportedVersions = 43,
};

// A vector of the wire: its length in one or two bytes, then as many bytes.
std::span<const uint8_t> Vector8(ByteReader& reader) {
  return reader.Bytes(reader.U8());
}
std::span<const uint8_t> Vector16(ByteReader& reader) {
  return reader.Bytes(reader.U16());
}

bool ReadSessionId(ByteReader& reader, SessionId& id) {
  const auto bytes = Vector8(reader);
  if (!reader.ok() || bytes.size() > id.bytes.size()) return false;
  std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
  id.size = static_cast<uint8_t>(bytes.size());
  return true;
}

// Gives each extension to `take`, which says whether it is well formed. None at
// all is well, too. Of those we read, none may come twice.
bool ReadExtensions(
    ByteReader& reader,
    absl::FunctionRef<bool(uint16_t, std::span<const uint8_t>)> take) {
  if (!reader.ok()) return false;
  if (reader.remaining() == 0) return true;
  ByteReader extensions(Vector16(reader));
  if (!reader.AtEnd()) return false;
  uint64_t seen = 0;
  while (extensions.remaining() > 0) {
    const uint16_t type = extensions.U16();
    const auto body = Vector16(extensions);
    if (!extensions.ok()) return false;
    if (type < 64) {
      const uint64_t bit = uint64_t{1} << type;
      if ((seen & bit) != 0) return false;
      seen |= bit;
    }
    if (!take(type, body)) return false;
  }
  return true;
}

bool IsHostCharacter(uint8_t c) {
  return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
}

// Only the one kind of name there is, host_name, and that once.
HelloError ReadServerName(std::span<const uint8_t> body, std::string& name) {
  ByteReader outer(body);
  ByteReader list(Vector16(outer));
  if (!outer.AtEnd() || list.remaining() == 0) return HelloError::kMalformed;
  const uint8_t type = list.U8();
  const auto bytes = Vector16(list);
  if (!list.AtEnd()) return HelloError::kMalformed;
  if (type != 0 || bytes.empty() || bytes.size() > kNameMax ||
      !std::all_of(bytes.begin(), bytes.end(), IsHostCharacter)) {
    return HelloError::kServerName;
  }
  name.clear();
  for (const uint8_t c : bytes) {
    name += absl::ascii_tolower(c);
  }
  return HelloError::kNone;
}

bool ReadAlpn(std::span<const uint8_t> body, std::vector<std::string>& names) {
  ByteReader outer(body);
  ByteReader list(Vector16(outer));
  if (!outer.AtEnd() || list.remaining() == 0) return false;
  while (list.remaining() > 0) {
    const auto name = Vector8(list);
    if (!list.ok() || name.empty()) return false;
    if (names.size() < ClientHello::kAlpnMax) {
      names.emplace_back(name.begin(), name.end());
    }
  }
  return true;
}

bool ReadVersions(std::span<const uint8_t> body,
                  std::vector<uint16_t>& versions) {
  ByteReader outer(body);
  ByteReader list(Vector8(outer));
  if (!outer.AtEnd() || list.remaining() == 0) return false;
  versions.clear();
  while (list.remaining() > 0) {
    const uint16_t version = list.U16();
    if (!list.ok()) return false;
    if (versions.size() < ClientHello::kVersionsMax) {
      versions.push_back(version);
    }
  }
  return true;
}

HelloError Read(std::span<const uint8_t> message, ClientHello& hello) {
  ByteReader reader(message);
  hello.versions = {reader.U16()};
  reader.Skip(kRandomSize);
  if (!ReadSessionId(reader, hello.session_id)) return HelloError::kMalformed;
  const auto ciphers = Vector16(reader);
  const auto compressions = Vector8(reader);
  if (!reader.ok() || ciphers.empty() || ciphers.size() % 2 != 0 ||
      compressions.empty()) {
    return HelloError::kMalformed;
  }
  HelloError error = HelloError::kNone;
  const bool good =
      ReadExtensions(reader, [&](uint16_t type, std::span<const uint8_t> body) {
        switch (type) {
          case kServerName:
            error = ReadServerName(body, hello.server_name);
            return error == HelloError::kNone;
          case kAlpn:
            return ReadAlpn(body, hello.alpn);
          case kSessionTicket:
            hello.has_ticket = !body.empty();
            return true;
          case kSupportedVersions:
            return ReadVersions(body, hello.versions);
          default:
            return true;
        }
      });
  if (error != HelloError::kNone) return error;
  return good ? HelloError::kNone : HelloError::kMalformed;
}

HelloError Read(std::span<const uint8_t> message, ServerHello& hello) {
  ByteReader reader(message);
  hello.version = reader.U16();
  reader.Skip(kRandomSize);
  if (!ReadSessionId(reader, hello.session_id)) return HelloError::kMalformed;
  reader.Skip(2 + 1);  // The chosen cipher and compression.
  const bool good =
      ReadExtensions(reader, [&](uint16_t type, std::span<const uint8_t> body) {
        if (type == kSessionTicket) {
          hello.gives_ticket = true;
          return body.empty();
        }
        if (type != kSupportedVersions) return true;
        if (body.size() != 2) return false;
        hello.version = LoadBig16(body.data());
        return true;
      });
  return good ? HelloError::kNone : HelloError::kMalformed;
}

template <typename Hello>
HelloState PushHello(std::span<const uint8_t> bytes, HandshakeReader& reader,
                     Hello& hello, bool& read) {
  const HelloState state = reader.Push(bytes);
  if (state != HelloState::kDone || read) return state;
  read = true;
  const HelloError error = Read(reader.message(), hello);
  return error == HelloError::kNone ? state : reader.Refuse(error);
}

}  // namespace

const char* HelloErrorName(HelloError error) {
  switch (error) {
    case HelloError::kNone:
      return "none";
    case HelloError::kNotTls:
      return "not_tls";
    case HelloError::kNotHello:
      return "not_hello";
    case HelloError::kTooLong:
      return "too_long";
    case HelloError::kMalformed:
      return "malformed";
    case HelloError::kServerName:
      return "server_name";
  }
  return "unknown";
}

uint16_t ClientHello::version() const {
  uint16_t highest = 0;
  for (const uint16_t version : versions) {
    if (version <= kTls13) highest = std::max(highest, version);
  }
  return highest;
}

// -- The record layer ---------------------------------------------------------

HandshakeReader::HandshakeReader(uint8_t type, size_t hello_bytes_max)
    : type_(type), bytes_max_(hello_bytes_max) {
  BALLAST_CHECK(bytes_max_ >= 1 && bytes_max_ <= kHelloBytesMax);
}

HelloState HandshakeReader::Refuse(HelloError error) {
  error_ = error;
  return state_ = HelloState::kRefused;
}

bool HandshakeReader::StartRecord() {
  const size_t length = LoadBig16(&header_[3]);
  if (header_[1] != 3 || length == 0 || length > kRecordMax ||
      (header_[0] != kHandshake && header_[0] != kAlert)) {
    Refuse(HelloError::kNotTls);
    return false;
  }
  if (header_[0] != kHandshake) {
    Refuse(HelloError::kNotHello);
    return false;
  }
  record_left_ = length;
  return true;
}

HelloState HandshakeReader::Push(std::span<const uint8_t> bytes) {
  while (!bytes.empty() && state_ == HelloState::kMore) {
    if (record_left_ > 0) {
      const auto piece = bytes.first(std::min(bytes.size(), record_left_));
      record_left_ -= piece.size();
      bytes = bytes.subspan(piece.size());
      TakeMessage(piece);
      continue;
    }
    // Told at once of what is no TLS, however short it is.
    if (header_size_ == 0 && bytes[0] != kHandshake && bytes[0] != kAlert) {
      return Refuse(HelloError::kNotTls);
    }
    header_[header_size_++] = bytes[0];
    bytes = bytes.subspan(1);
    if (header_size_ < kRecordHeaderSize) continue;
    header_size_ = 0;
    StartRecord();
  }
  return state_;
}

HelloState HandshakeReader::TakeMessage(std::span<const uint8_t> bytes) {
  for (;;) {
    const size_t known = message_.size();
    size_t wanted = kMessageHeaderSize;
    if (known >= kMessageHeaderSize) {
      const size_t length =
          (size_t{message_[1]} << 16) | LoadBig16(&message_[2]);
      if (message_[0] != type_) return Refuse(HelloError::kNotHello);
      if (length > bytes_max_) return Refuse(HelloError::kTooLong);
      wanted += length;
      if (known == wanted) return state_ = HelloState::kDone;
    }
    if (bytes.empty()) return state_;
    const auto piece = bytes.first(std::min(bytes.size(), wanted - known));
    message_.insert(message_.end(), piece.begin(), piece.end());
    bytes = bytes.subspan(piece.size());
  }
}

HelloState ClientHelloReader::Push(std::span<const uint8_t> bytes) {
  return PushHello(bytes, reader_, hello_, read_);
}

HelloState ServerHelloReader::Push(std::span<const uint8_t> bytes) {
  return PushHello(bytes, reader_, hello_, read_);
}

}  // namespace ballast::tls
