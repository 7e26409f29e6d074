#include "io/packet_io_vnet.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

// Numbers are those of VIRTIO 1.2, 5.1.6, written out.

TEST(VnetHeaderTest, PlainFrameIsAllZero) {
  const VnetHeader header = WriteVnetHeader(Offload());
  EXPECT_EQ(header.flags, 0);
  EXPECT_EQ(header.gso_type, 0);
  EXPECT_EQ(header.header_length, 0);
  EXPECT_EQ(header.gso_size, 0);
}

TEST(VnetHeaderTest, TcpSuperFrame) {
  Offload offload;
  offload.segmentation = Offload::Segmentation::kTcpV4;
  offload.ecn = true;
  offload.segment_size = 1448;
  offload.header_length = 66;
  offload.partial_checksum = true;
  offload.checksum_start = 34;
  offload.checksum_offset = 16;
  offload.checksum_verified = true;
  const VnetHeader header = WriteVnetHeader(offload);
  EXPECT_EQ(header.flags, 1);
  EXPECT_EQ(header.gso_type, 0x81);
  EXPECT_EQ(header.gso_size, 1448);
  EXPECT_EQ(header.header_length, 66);
  EXPECT_EQ(header.checksum_start, 34);
  EXPECT_EQ(header.checksum_offset, 16);

  Offload back;
  ASSERT_TRUE(ReadVnetHeader(header, back));
  EXPECT_EQ(back.segmentation, Offload::Segmentation::kTcpV4);
  EXPECT_TRUE(back.ecn);
  EXPECT_EQ(back.segment_size, 1448);
  EXPECT_EQ(back.header_length, 66);
  EXPECT_TRUE(back.partial_checksum);
  EXPECT_EQ(back.checksum_start, 34);
  EXPECT_EQ(back.checksum_offset, 16);
  EXPECT_FALSE(back.checksum_verified);
}

TEST(VnetHeaderTest, EachSegmentationHasItsNumber) {
  const struct {
    uint8_t gso_type;
    Offload::Segmentation segmentation;
  } kinds[] = {{1, Offload::Segmentation::kTcpV4},
               {4, Offload::Segmentation::kTcpV6},
               {5, Offload::Segmentation::kUdp}};
  for (const auto& kind : kinds) {
    VnetHeader header;
    header.gso_type = kind.gso_type;
    Offload offload;
    ASSERT_TRUE(ReadVnetHeader(header, offload));
    EXPECT_EQ(offload.segmentation, kind.segmentation);
    EXPECT_EQ(WriteVnetHeader(offload).gso_type, kind.gso_type);
  }
}

TEST(VnetHeaderTest, VerifiedChecksum) {
  VnetHeader header;
  header.flags = 2;
  Offload offload;
  ASSERT_TRUE(ReadVnetHeader(header, offload));
  EXPECT_TRUE(offload.checksum_verified);
  EXPECT_FALSE(offload.partial_checksum);
}

TEST(VnetHeaderTest, UnknownSegmentationIsRefused) {
  VnetHeader header;
  for (const uint8_t gso_type : {2, 3, 6, 0x20, 0x83}) {
    header.gso_type = gso_type;
    Offload offload;
    EXPECT_FALSE(ReadVnetHeader(header, offload)) << int{gso_type};
  }
}

}  // namespace
}  // namespace ballast
