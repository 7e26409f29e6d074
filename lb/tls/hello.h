// What a TLS stream that passes un-terminated says of itself before it is
// encrypted: the client's hello (which host, which session) and the server's
// (which session). For TLS pass-through and persistence by SSL session ID.
//
//   ClientHelloReader reader;
//   ... reader.Push(bytes) for what the client sends, in order, until it is not
//   kMore; the bytes themselves are the caller's to keep and to pass on.
//
// From TLS 1.3 on a session ID means nothing: the client makes a new one each
// time, and the server returns it.
//
// Bounds   hello_bytes_max of a hello, of 1 .. kHelloBytesMax; what is kept of
//          it as below. A hello in records of one byte is read, too.
// Errors   a HelloError; a reader that has failed stays so.
// Cost     what is a hello is copied once, and read when it is whole.
// Threads  none of their own.
// Source   RFC 8446 §4.1.2, §4.1.3, §5.1; RFC 5246 §7.4.1; RFC 6066 §3;
//          RFC 7301 §3.1; RFC 5077 §3.2.
#ifndef LB_TLS_HELLO_H_
#define LB_TLS_HELLO_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ballast::tls {

// The longest any client sends today are some 2 KB (key shares against quantum
// computers).
inline constexpr size_t kHelloBytesMax = 16384;

inline constexpr uint16_t kTls12 = 0x0303;
inline constexpr uint16_t kTls13 = 0x0304;

enum class HelloError : uint8_t {
  kNone,
  kNotTls,      // No handshake record of version 3.x.
  kNotHello,    // TLS, but another message or an alert.
  kTooLong,     // More than hello_bytes_max.
  kMalformed,   // Lengths that do not fit, or something twice.
  kServerName,  // No name as a host could have.
};
inline constexpr size_t kHelloErrorCount = 6;
const char* HelloErrorName(HelloError error);

enum class HelloState : uint8_t { kMore, kDone, kRefused };

// 0 .. 32 bytes.
struct SessionId {
  std::array<uint8_t, 32> bytes{};
  uint8_t size = 0;

  std::span<const uint8_t> span() const { return std::span(bytes).first(size); }
  friend bool operator==(const SessionId&, const SessionId&) = default;
};

struct ClientHello {
  static constexpr size_t kAlpnMax = 16;      // More are not kept.
  static constexpr size_t kVersionsMax = 16;  // More are not kept.

  SessionId session_id;
  std::string server_name;         // Lower case; empty: none was sent.
  std::vector<std::string> alpn;   // As the client prefers them.
  std::vector<uint16_t> versions;  // Offered, as the client prefers them.
  bool has_ticket = false;  // TLS 1.2: a session ticket, so that session_id is
                            // the client's invention.

  // The highest of `versions` that is not above TLS 1.3; 0 if none.
  uint16_t version() const;
};

struct ServerHello {
  uint16_t version = 0;  // Chosen.
  SessionId session_id;
  // TLS 1.2: a ticket will follow, which the client will show instead of the
  // session ID.
  bool gives_ticket = false;
};

// The first handshake message of a stream, out of its records.
class HandshakeReader {
 public:
  // `type`: of the message that is wanted.
  HandshakeReader(uint8_t type, size_t hello_bytes_max);

  HelloState Push(std::span<const uint8_t> bytes);
  HelloError error() const { return error_; }
  // When kDone: the message without its header.
  std::span<const uint8_t> message() const {
    return std::span(message_).subspan(kMessageHeaderSize);
  }
  // Of a message that is well framed, but wrong inside.
  HelloState Refuse(HelloError error);

 private:
  static constexpr size_t kRecordHeaderSize = 5;
  static constexpr size_t kMessageHeaderSize = 4;

  // The record header, whole now, is good.
  bool StartRecord();
  HelloState TakeMessage(std::span<const uint8_t> bytes);

  const uint8_t type_;
  const size_t bytes_max_;
  HelloState state_ = HelloState::kMore;
  HelloError error_ = HelloError::kNone;
  std::array<uint8_t, kRecordHeaderSize> header_{};
  size_t header_size_ = 0;
  size_t record_left_ = 0;
  std::vector<uint8_t> message_;
};

class ClientHelloReader {
 public:
  explicit ClientHelloReader(size_t hello_bytes_max = kHelloBytesMax)
      : reader_(1, hello_bytes_max) {}

  HelloState Push(std::span<const uint8_t> bytes);
  HelloError error() const { return reader_.error(); }
  const ClientHello& hello() const { return hello_; }  // When kDone.

 private:
  HandshakeReader reader_;
  ClientHello hello_;
  bool read_ = false;
};

class ServerHelloReader {
 public:
  explicit ServerHelloReader(size_t hello_bytes_max = kHelloBytesMax)
      : reader_(2, hello_bytes_max) {}

  HelloState Push(std::span<const uint8_t> bytes);
  HelloError error() const { return reader_.error(); }
  const ServerHello& hello() const { return hello_; }  // When kDone.

 private:
  HandshakeReader reader_;
  ServerHello hello_;
  bool read_ = false;
};

}  // namespace ballast::tls

#endif  // LB_TLS_HELLO_H_
