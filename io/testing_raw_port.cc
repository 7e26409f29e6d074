#include "io/testing_raw_port.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/base/check.h"
#include "io/packet_io_vnet.h"

namespace ballast {

RawPort::RawPort(const std::string& interface)
    : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
  BALLAST_CHECK(socket_ != -1);
  const int on = 1;
  for (const int option : {PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING}) {
    BALLAST_CHECK(setsockopt(socket_, SOL_PACKET, option, &on, sizeof(on)) ==
                  0);
  }
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  BALLAST_CHECK(address.sll_ifindex != 0);
  BALLAST_CHECK(bind(socket_, reinterpret_cast<const sockaddr*>(&address),
                     sizeof(address)) == 0);
}

RawPort::~RawPort() { close(socket_); }

void RawPort::Send(std::span<const uint8_t> bytes, const Offload& offload) {
  VnetHeader header = WriteVnetHeader(offload);
  iovec parts[] = {{&header, sizeof(header)},
                   {const_cast<uint8_t*>(bytes.data()), bytes.size()}};
  const size_t size = sizeof(header) + bytes.size();
  BALLAST_CHECK(writev(socket_, parts, 2) == static_cast<ssize_t>(size));
}

std::vector<uint8_t> RawPort::Receive(int timeout_ms, Offload& offload) {
  pollfd poller = {socket_, POLLIN, 0};
  if (poll(&poller, 1, timeout_ms) <= 0) return {};
  VnetHeader header;
  std::vector<uint8_t> bytes(70000);
  iovec parts[] = {{&header, sizeof(header)}, {bytes.data(), bytes.size()}};
  const ssize_t size = readv(socket_, parts, 2);
  if (size < static_cast<ssize_t>(sizeof(header))) return {};
  BALLAST_CHECK(ReadVnetHeader(header, offload));
  bytes.resize(static_cast<size_t>(size) - sizeof(header));
  return bytes;
}

}  // namespace ballast
