#include "ha/transfer_wire.h"

#include <array>

#include "io/base/bytes.h"

namespace ballast::ha {
namespace {

constexpr size_t kSizeMax = 1 + 8 + 8 + 8 + 8;

std::vector<uint8_t> Copy(const ByteWriter& out) {
  const auto written = out.written();
  return {written.begin(), written.end()};
}

ByteWriter Start(std::array<uint8_t, kSizeMax>& bytes, StreamMessage type) {
  ByteWriter out(bytes);
  out.U8(static_cast<uint8_t>(type));
  return out;
}

}  // namespace

std::vector<uint8_t> Encode(const TransferRequest& message) {
  std::array<uint8_t, kSizeMax> bytes;
  ByteWriter out = Start(bytes, StreamMessage::kRequest);
  out.U64(message.id);
  return Copy(out);
}

std::vector<uint8_t> Encode(const TransferBegin& message) {
  std::array<uint8_t, kSizeMax> bytes;
  ByteWriter out = Start(bytes, StreamMessage::kBegin);
  out.U64(message.id);
  out.U8(message.merge ? 1 : 0);
  out.U64(message.records_about);
  out.U64(message.position);
  return Copy(out);
}

std::vector<uint8_t> Encode(const TransferEnd& message) {
  std::array<uint8_t, kSizeMax> bytes;
  ByteWriter out = Start(bytes, StreamMessage::kEnd);
  out.U64(message.id);
  out.U64(message.position);
  out.U64(message.sum.count);
  out.U64(message.sum.digest);
  return Copy(out);
}

std::vector<uint8_t> Encode(const TransferDone& message) {
  std::array<uint8_t, kSizeMax> bytes;
  ByteWriter out = Start(bytes, StreamMessage::kDone);
  out.U64(message.id);
  out.U8(message.equal ? 0 : 1);
  out.U64(message.sum.count);
  out.U64(message.sum.digest);
  return Copy(out);
}

std::optional<TransferRequest> DecodeRequest(std::span<const uint8_t> body) {
  ByteReader in(body);
  TransferRequest message;
  message.id = in.U64();
  if (!in.AtEnd()) return std::nullopt;
  return message;
}

std::optional<TransferBegin> DecodeBegin(std::span<const uint8_t> body) {
  ByteReader in(body);
  TransferBegin message;
  message.id = in.U64();
  const uint8_t merge = in.U8();
  message.merge = merge == 1;
  message.records_about = in.U64();
  message.position = in.U64();
  if (!in.AtEnd() || merge > 1) return std::nullopt;
  return message;
}

std::optional<TransferEnd> DecodeEnd(std::span<const uint8_t> body) {
  ByteReader in(body);
  TransferEnd message;
  message.id = in.U64();
  message.position = in.U64();
  message.sum.count = in.U64();
  message.sum.digest = in.U64();
  if (!in.AtEnd()) return std::nullopt;
  return message;
}

std::optional<TransferDone> DecodeDone(std::span<const uint8_t> body) {
  ByteReader in(body);
  TransferDone message;
  message.id = in.U64();
  const uint8_t differs = in.U8();
  message.equal = differs == 0;
  message.sum.count = in.U64();
  message.sum.digest = in.U64();
  if (!in.AtEnd() || differs > 1) return std::nullopt;
  return message;
}

}  // namespace ballast::ha
