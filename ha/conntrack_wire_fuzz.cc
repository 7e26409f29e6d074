// Properties: what is given out has numbers; an entry that decodes can be sent,
// and decodes again to an equal one; a control message is written again the
// same.
#include <array>
#include <vector>

#include "ha/conntrack_wire.h"
#include "io/base/check.h"

namespace {

using namespace ballast::ha;

std::vector<ConntrackMessage> ReadAll(std::span<const uint8_t> datagram,
                                      ConntrackReader& reader) {
  std::vector<ConntrackMessage> messages;
  ReadConntrackDatagram(datagram, reader, [&](const ConntrackMessage& message) {
    messages.push_back(message);
  });
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ConntrackReader reader;
  const auto messages = ReadAll({data, size}, reader);
  BALLAST_CHECK(reader.messages == messages.size());
  BALLAST_CHECK(messages.size() <= size / kConntrackHeaderSize);
  for (const ConntrackMessage& message : messages) {
    std::array<uint8_t, kConntrackMessageMax> bytes;
    size_t written = 0;
    if (message.has_entry()) {
      BALLAST_CHECK(IsSendable(message.entry));
      written = WriteConntrackEntry(message.type, message.flags,
                                    message.sequence, message.entry, bytes);
    } else if (!message.is_data()) {
      written = WriteConntrackControl(message.flags, message.sequence,
                                      message.from, message.to, bytes);
    } else {
      continue;
    }
    BALLAST_CHECK(written > 0);
    ConntrackReader again;
    const auto read = ReadAll(std::span(bytes).first(written), again);
    BALLAST_CHECK(read.size() == 1 && read[0].type == message.type &&
                  read[0].flags == message.flags &&
                  read[0].sequence == message.sequence &&
                  read[0].from == message.from && read[0].to == message.to &&
                  read[0].refused == ConntrackReadError::kNone);
    if (message.has_entry()) BALLAST_CHECK(read[0].entry == message.entry);
  }
  return 0;
}
